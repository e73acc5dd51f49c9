#include "style.hpp"

namespace sqlbk::tool::bench::page {

// Colours are told apart in lightness as well as in hue, and every one has a pattern or a label of
// its own. Dark colours only on screens: paper stays white.
std::string_view style_sheet() noexcept {
  return R"css(
:root {
  color-scheme: light dark;
  --paper: #fdfdfb; --ink: #1c2126; --muted: #5a626b; --rule: #dcdfe2; --shade: #f3f4f2;
  --sqlbk: #0b5a8c; --peer: #858b92; --peer-text: #3d444b; --bad: #b32a12;
  --good: #25796d; --refused: #d3d7db; --timed-out: #b0b6bc; --torn: #c23a1e; --stale: #e3a127;
  --unreadable: #33262e; --on-dark: #fff; --on-light: #1c2126; --hatch: #fff; --dots: #59616a;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --paper: #14171a; --ink: #e3e6e8; --muted: #a1a9b1; --rule: #33393f; --shade: #1d2125;
    --sqlbk: #62b3e4; --peer: #838a92; --peer-text: #c3c9ce; --bad: #ff8a70;
    --good: #2f8377; --refused: #4b525a; --timed-out: #666e76; --torn: #cc4a2c; --stale: #dca034;
    --unreadable: #e6dce2; --on-dark: #fff; --on-light: #14171a; --hatch: #14171a; --dots: #d0d5da;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 17px/1.55 Charter, "Bitstream Charter", "Sitka Text", Cambria, Georgia, "Liberation Serif", serif;
}
header, main, footer { max-width: 66rem; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 3.5rem; }
h1, h2, h3 { font-weight: 600; line-height: 1.2; text-wrap: balance; overflow-wrap: anywhere; }
h1 { font-size: clamp(1.7rem, 1.2rem + 2.2vw, 2.5rem); letter-spacing: -0.012em; margin: 0 0 1.4rem; }
h2 { font-size: 1.5rem; margin: 3.5rem 0 0.4rem; padding-top: 1.1rem; border-top: 2px solid var(--ink); }
h3 { font-size: 1.08rem; margin: 0; }
p { margin: 0 0 1rem; max-width: 42rem; overflow-wrap: anywhere; }
.kicker, .facts, pre, table, svg text, .legend, .note, figcaption p, .remarks, footer {
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif;
  font-variant-numeric: tabular-nums;
}
.kicker { font-size: 0.8rem; font-weight: 600; letter-spacing: 0.06em; color: var(--sqlbk); margin-bottom: 0.4rem; }
pre {
  margin: 0 0 1.6rem; padding: 0.75rem 1rem; overflow-x: auto; background: var(--shade);
  border-left: 3px solid var(--sqlbk); font-size: 0.86rem; line-height: 1.5;
}
pre code { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace; }
.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr)); gap: 0.9rem 2rem; margin: 0 0 1.8rem; }
.facts div { min-width: 0; }
dt { font-size: 0.76rem; color: var(--muted); }
dd { margin: 0; min-width: 0; font-size: 0.9rem; line-height: 1.4; overflow-wrap: anywhere; }
.method { font-size: 1.06rem; max-width: 46rem; }
.note { font-size: 0.86rem; line-height: 1.5; color: var(--muted); }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 25rem), 1fr)); gap: 2.4rem 3rem; align-items: start; }
.charts:not(:last-child) { margin-bottom: 1rem; }
figure { margin: 1.2rem 0 0; min-width: 0; break-inside: avoid; }
figcaption { margin-bottom: 0.7rem; }
figcaption p { font-size: 0.82rem; line-height: 1.45; color: var(--muted); margin: 0.25rem 0 0; }
svg { display: block; width: 100%; height: auto; overflow: visible; }
svg.definitions { position: absolute; }
svg text { fill: var(--ink); font-size: 13px; }
text.tick { fill: var(--muted); font-size: 11px; }
text.group { fill: var(--muted); font-size: 11.5px; font-weight: 600; letter-spacing: 0.03em; }
text.group.sqlbk { fill: var(--sqlbk); }
text.name.sqlbk { fill: var(--sqlbk); font-weight: 600; }
text.name.peer { fill: var(--peer-text); }
text.name, text.figure, text.group { paint-order: stroke; stroke: var(--paper); stroke-width: 4px; stroke-linejoin: round; }
text.small { font-size: 12px; }
text.figure.bad { fill: var(--bad); font-weight: 600; }
text.in-bar { font-size: 10.5px; font-weight: 600; paint-order: stroke; stroke-width: 4px; stroke-linejoin: round; }
.in-good, .in-torn { fill: var(--on-dark); }
.in-good { stroke: var(--good); }
.in-torn { stroke: var(--torn); }
.in-refused { fill: var(--ink); stroke: var(--refused); }
.in-timed-out { fill: var(--ink); stroke: var(--timed-out); }
.in-stale { fill: #1c2126; stroke: var(--stale); }
.in-unreadable { fill: var(--paper); stroke: var(--unreadable); }
.grid { stroke: var(--rule); stroke-width: 1; }
.leader { fill: none; stroke: var(--peer); stroke-width: 0.8; opacity: 0.75; }
.whisker { stroke: var(--ink); stroke-width: 1.2; }
.alone { stroke: var(--ink); stroke-width: 1.5; }
.bar.sqlbk { fill: var(--sqlbk); }
.bar.peer { fill: var(--peer); }
.curve { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
.curve.sqlbk { stroke: var(--sqlbk); }
.curve.peer { stroke: var(--peer); stroke-dasharray: 5 3.5; }
.marker { stroke-width: 1.5; }
.marker.sqlbk { fill: var(--sqlbk); stroke: var(--sqlbk); }
.marker.peer { fill: var(--paper); stroke: var(--peer-text); }
.stem { stroke-width: 2; }
.stem.sqlbk { stroke: var(--sqlbk); }
.stem.peer { stroke: var(--peer); }
.dot.sqlbk { fill: var(--sqlbk); }
.dot.peer { fill: var(--peer-text); }
.ring { fill: var(--paper); stroke-width: 2; }
.ring.sqlbk { stroke: var(--sqlbk); }
.ring.peer { stroke: var(--peer-text); }
.nothing { fill: none; stroke: var(--rule); stroke-dasharray: 3 3; }
.outcome.good { fill: var(--good); }
.outcome.refused { fill: var(--refused); }
.outcome.timed-out { fill: url(#pattern-timed-out); }
.outcome.torn { fill: url(#pattern-torn); }
.outcome.stale { fill: url(#pattern-stale); }
.outcome.unreadable { fill: url(#pattern-unreadable); }
.ground-timed-out { fill: var(--timed-out); }
.ground-torn { fill: var(--torn); }
.ground-stale { fill: var(--stale); }
.ground-unreadable { fill: var(--unreadable); }
.lines-timed-out { fill: var(--dots); }
.lines-torn, .lines-stale, .lines-unreadable { fill: none; stroke: var(--hatch); stroke-width: 1.1; }
.legend { list-style: none; margin: 1rem 0 0; padding: 0; display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 19rem), 1fr)); gap: 0.35rem 1.5rem; font-size: 0.82rem; line-height: 1.4; color: var(--muted); }
.legend li { position: relative; padding-left: 2rem; }
.legend b { color: var(--ink); }
.swatch { position: absolute; left: 0; top: 0.22em; width: 22px; height: 13px; }
.scroll { overflow-x: auto; margin: 1.6rem 0 0; max-width: 100%; }
.scroll:focus-visible, pre:focus-visible { outline: 2px solid var(--sqlbk); outline-offset: 3px; }
table { border-collapse: collapse; font-size: 0.84rem; line-height: 1.35; min-width: 100%; }
table.summary { min-width: 0; }
caption { text-align: left; font-weight: 600; padding: 0 0 0.5rem; font-size: 0.92rem; }
th, td { padding: 0.32rem 0 0.32rem 1.4rem; text-align: right; white-space: nowrap; vertical-align: baseline; }
th:first-child { text-align: left; padding-left: 0; }
thead th { font-weight: 500; color: var(--muted); border-bottom: 1px solid var(--ink); vertical-align: bottom; }
tbody tr + tr { border-top: 1px solid var(--rule); }
th[scope=row] { font-weight: 400; color: var(--peer-text); unicode-bidi: isolate; min-width: 9rem; max-width: 20rem; white-space: normal; overflow-wrap: anywhere; }
.sqlbk th[scope=row] { color: var(--sqlbk); font-weight: 600; }
th[scope=rowgroup] { padding-top: 0.9rem; font-size: 0.76rem; font-weight: 600; color: var(--muted); letter-spacing: 0.03em; }
.sqlbk th[scope=rowgroup] { color: var(--sqlbk); }
td.bad { color: var(--bad); font-weight: 600; }
td.prose { text-align: left; white-space: normal; overflow-wrap: anywhere; min-width: 12rem; }
thead th.prose { text-align: left; }
.remarks { margin: 0.8rem 0 0; }
.remarks div { margin-top: 0.4rem; }
.remarks dt { font-size: 0.84rem; overflow-wrap: anywhere; }
@media (min-width: 45rem) {
  .remarks div { display: grid; grid-template-columns: minmax(9rem, 20rem) 1fr; gap: 1rem; }
}
footer { margin-top: 3.5rem; padding-bottom: 3rem; font-size: 0.8rem; color: var(--muted); }
@media (max-width: 30rem) {
  body { font-size: 16px; }
  header { padding-top: 2rem; }
  h2 { margin-top: 2.6rem; }
  th, td { padding-left: 0.8rem; }
  table.summary { font-size: 0.74rem; }
  table.summary th, table.summary td { padding-left: 0.5rem; min-width: 0; }
  table.summary thead th { white-space: normal; }
  table.summary th:first-child { padding-left: 0; overflow-wrap: normal; }
}
@media print {
  @page { margin: 15mm; }
  :root { color-scheme: light; --paper: #fff; font-size: 10pt; }
  body { font-size: 1rem; }
  header, main, footer { max-width: none; padding: 0; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  .charts { grid-template-columns: 1fr 1fr; gap: 1.4rem 1.8rem; }
  svg[role=img] { max-height: 21cm; }
  h2, figcaption, caption { break-after: avoid; }
  tr, .legend, .facts { break-inside: avoid; }
  .scroll, pre { overflow: visible; }
  pre { white-space: pre-wrap; overflow-wrap: anywhere; }
  table, table.summary { font-size: 7.2pt; }
  th, td { padding-left: 0.7em; white-space: normal; }
  th[scope=row] { min-width: 6rem; }
}
)css";
}

}  // namespace sqlbk::tool::bench::page
