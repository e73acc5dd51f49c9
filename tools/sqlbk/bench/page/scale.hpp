// Where a value lies on an axis, and the values that get a mark. Thread-safety: plain values.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace sqlbk::tool::bench::page {

struct Tick {
  double value = 0;
  std::string label;
};

using TickText = std::function<std::string(double)>;

// From 0; a bar's length is then its value.
class LinearScale {
 public:
  LinearScale(double most, double from, double to);
  double at(double value) const;
  // Round values, a few.
  std::vector<Tick> ticks(const TickText& text) const;

 private:
  double most_;
  double from_;
  double to_;
};

// Ends at round values around [least, most]. What lies outside, 0 too, is drawn at the nearer end.
class LogScale {
 public:
  LogScale(double least, double most, double from, double to);
  double at(double value) const;
  // The powers of ten, and 2 and 5 times these where there are few.
  std::vector<Tick> ticks(const TickText& text) const;

 private:
  double least_;
  double most_;
  double from_;
  double to_;
};

// Gathers the range of what will be drawn on a logarithmic axis.
class LogRange {
 public:
  void add(double value) {
    if (!(value > 0)) return;
    if (least_ == 0 || value < least_) least_ = value;
    if (value > most_) most_ = value;
  }
  bool is_empty() const { return most_ == 0; }
  LogScale scale(double from, double to) const { return {least_, most_, from, to}; }

 private:
  double least_ = 0;
  double most_ = 0;
};

}  // namespace sqlbk::tool::bench::page
