"""The page around the map: where things stand at any width, how they look, and how clicks reach the session."""

# Dark pages show the map and the colours of its legend with light and dark exchanged, their hues as they are.
COLOURS = """
:root {
  --paper: #fff; --ink: #1f2933; --soft: #5b6770; --line: #dde2e7; --fill: #eef1f4; --image: #f1f3f5;
  --pressed: #e3eef6; --accent: #0072b2; --turned: none;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #15181b; --ink: #e4e8ec; --soft: #a3adb7; --line: #353c43; --fill: #272d33; --image: #22272c;
    --pressed: #1d3a4d; --accent: #3b97cf; --turned: invert(.915) hue-rotate(180deg);
  }
}
"""

# Inside the shadow roots of the panes, where the page's own style does not reach.
STYLE = """
:host { font: 13px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; color: var(--ink); }
h2 { font-size: 13px; font-weight: 650; margin: 0 0 6px; display: flex; align-items: center;
     justify-content: space-between; }
p { margin: 0 0 8px; }
.quiet { color: var(--soft); }
.row { display: flex; gap: 8px; align-items: center; flex-wrap: wrap; }
button { font: inherit; color: inherit; cursor: pointer; border: 0; background: none; padding: 0; }
button:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; border-radius: 4px; }
.act { background: var(--accent); color: #fff; border-radius: 4px; padding: 4px 10px; }
.act.plain { background: var(--fill); color: var(--ink); font-weight: 400; }
.legend { display: flex; flex-direction: column; gap: 1px; }
.entry { display: flex; align-items: center; gap: 8px; width: 100%; text-align: left; padding: 3px 6px;
         border-radius: 4px; box-sizing: border-box; }
.entry:hover { background: var(--fill); }
.entry[aria-pressed=true] { background: var(--pressed); font-weight: 600; }
.entry.faded { color: var(--soft); }
.entry.faded i { opacity: .35; }
.entry i { flex: none; width: 12px; height: 12px; border-radius: 3px; filter: var(--turned); }
.entry span { flex: 1; min-width: 0; overflow-wrap: anywhere; }
.entry b { font-weight: 400; color: var(--soft); font-variant-numeric: tabular-nums; }
.card { display: flex; gap: 10px; align-items: flex-start; }
.card img { flex: none; width: 96px; height: 96px; object-fit: contain; background: var(--image); border-radius: 4px; }
.card dl { display: grid; grid-template-columns: fit-content(45%) minmax(0, 1fr); gap: 0 8px; margin: 0; flex: 1;
           min-width: 0; }
.card dt { color: var(--soft); }
.card dd { margin: 0; overflow-wrap: anywhere; }
.card.kept { flex-direction: column; margin-bottom: 10px; }
.card.kept img { width: 150px; height: 150px; }
.told { overflow-wrap: anywhere; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(52px, 1fr)); gap: 4px; margin-bottom: 6px; }
.thumb { aspect-ratio: 1; background: var(--image); border-radius: 4px; overflow: hidden; }
.thumb img { width: 100%; height: 100%; object-fit: contain; display: block; }
.thumb:hover { outline: 2px solid var(--accent); }
"""

# Inside the shadow roots of widgets: their own colours are for light pages.
WIDGETS = """
@media (prefers-color-scheme: dark) {
  :host, label, .bk-input-group, .tabulator { color: var(--ink) !important; }
  .bk-input, .bk-btn, .tabulator, .tabulator *, .tabulator-page, a.bk-btn {
    background-color: var(--paper) !important; color: var(--ink) !important; border-color: var(--line) !important; }
  .bk-btn.bk-active, .bk-btn:hover { background-color: var(--pressed) !important; }
  .bk-input::placeholder { color: var(--soft); }
  select.bk-input { background-image: url('data:image/svg+xml;utf8,<svg viewBox="0 0 25 20" \
xmlns="http://www.w3.org/2000/svg"><path d="M 0,0 25,0 12.5,20 Z" fill="white" /></svg>') !important; }
}
"""

# The card beside the pointer must never be what the pointer is over.
UNTOUCHED = ":host, * { pointer-events: none !important; }"

TEMPLATE = """
{% extends base %}
{% block postamble %}
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<style>
{{ colours }}
html, body { height: 100%; margin: 0; background: var(--paper); color: var(--ink);
  font: 13px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
#explorer { display: grid; height: 100vh; box-sizing: border-box;
  grid-template: auto minmax(0, 1fr) / 232px minmax(0, 1fr) 372px;
  grid-template-areas: "head head head" "left map right"; }
#head { grid-area: head; display: flex; align-items: baseline; gap: 14px; padding: 10px 16px;
  border-bottom: 1px solid var(--line); flex-wrap: wrap; }
#head h1 { font-size: 16px; margin: 0; font-weight: 650; }
#head span { color: var(--soft); }
#controls { grid-area: left; display: flex; flex-direction: column; min-height: 0;
  border-right: 1px solid var(--line); }
#settings { padding: 10px 10px 4px; overflow: hidden; }
#legend { flex: 1; min-height: 0; overflow-y: auto; padding: 6px 10px 12px 12px; }
#map { grid-area: map; min-width: 0; min-height: 0; padding: 4px; box-sizing: border-box; filter: var(--turned); }
#detail { grid-area: right; min-height: 0; overflow-y: auto; padding: 12px 14px; border-left: 1px solid var(--line); }
#hover { position: fixed; z-index: 30; width: 310px; pointer-events: none; display: none; background: var(--paper);
  border: 1px solid var(--line); border-radius: 6px; box-shadow: 0 4px 16px #0002; padding: 8px; left: 0; top: 0; }
#hover * { pointer-events: none !important; }
@media (max-width: 1080px) {
  #explorer { height: auto; min-height: 100vh;
    grid-template: auto max(560px, 60vh) 1fr / 228px minmax(0, 1fr);
    grid-template-areas: "head head" "left map" "right right"; }
  #detail { border-left: 0; border-top: 1px solid var(--line); overflow: visible; }
}
@media (max-width: 640px) {
  #explorer { grid-template: auto auto 68vh auto auto / minmax(0, 1fr);
    grid-template-areas: "head" "left" "map" "right"; grid-template-rows: auto auto 68vh auto; }
  #head { padding: 8px 12px; }
  #controls { border-right: 0; }
  #legend { max-height: 28vh; padding-bottom: 6px; }
  #detail { padding: 12px; }
}
</style>
{% endblock %}
{% block contents %}
<div id="explorer">
  <header id="head"><h1>{{ heading | e }}</h1><span>{{ about | e }}</span></header>
  <aside id="controls">
    <div id="settings">{{ embed(roots.settings) }}</div>
    <div id="legend">{{ embed(roots.legend) }}</div>
  </aside>
  <main id="map">{{ embed(roots.maps) }}</main>
  <section id="detail">{{ embed(roots.detail) }}</section>
</div>
<div id="hover">{{ embed(roots.hover) }}</div>
{{ embed(roots.location) }}
<script>
const bus = () => Bokeh.documents[0].get_model_by_name("clicks");
document.addEventListener("click", event => {
  const button = event.composedPath().find(one => one.dataset && one.dataset.act);
  if (button) bus().data = {act: [button.dataset.act], value: [button.dataset.value], at: [event.timeStamp]};
});
document.addEventListener("mousemove", event => {
  const card = document.getElementById("hover"), over = event.target.closest("#map");
  if (!over) { card.style.display = "none"; return; }
  const right = event.clientX + 330 > innerWidth, low = event.clientY + card.offsetHeight + 24 > innerHeight;
  card.style.left = (right ? event.clientX - 340 : event.clientX + 16) + "px";
  card.style.top = (low ? Math.max(4, event.clientY - card.offsetHeight - 12) : event.clientY + 16) + "px";
});
</script>
{% endblock %}
"""
# Runs in the browser at each move of the pointer over a map: tells the session where it is, at most every 50 ms, and
# once more when it has come to rest; a pointer that left is nowhere.
POINTER = """
const here = {map: [number], x: [cb_obj.x], y: [cb_obj.y]};
if (cb_obj.event_name == "mouseleave") here.map = [-1];
const send = () => { window.gapscopeLast = Date.now(); pointer.data = here; };
clearTimeout(window.gapscopeTimer);
if (Date.now() - (window.gapscopeLast || 0) > 50) send(); else window.gapscopeTimer = setTimeout(send, 50);
"""
# Runs when the card of the point under the pointer has changed.
SHOW_CARD = """
document.getElementById("hover").style.display = cb_obj.data.point[0] < 0 ? "none" : "block";
"""
