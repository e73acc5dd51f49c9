// A private descriptor table for the calling thread.
#pragma once

namespace sqlbk::platform {

// Gives the calling thread a descriptor table of its own with nothing but descriptors 0..2 in it.
// False: the system does not allow it, and nothing was changed.
bool unshare_descriptor_table() noexcept;

// Whether the calling thread has done so. A thread that it started shares its table, but says no.
bool has_private_descriptor_table() noexcept;

}  // namespace sqlbk::platform
