"""The report's looks."""

STYLE = """
:root{--bg:#f6f5f3;--card:#fff;--ink:#1c1d1f;--faint:#63666b;--line:#e2e0dc;--accent:#2f5d8a;
--good:#1d6b43;--good-bg:#dcefe4;--fair:#7a5300;--fair-bg:#f8ebcb;--poor:#9b2c2c;--poor-bg:#f8dede}
@media (prefers-color-scheme:dark){:root{--bg:#131416;--card:#1d1f22;--ink:#ececee;--faint:#a2a6ad;--line:#303338;
--accent:#8fb8e0;--good:#8fd6ae;--good-bg:#173424;--fair:#f0cd85;--fair-bg:#3a2d10;--poor:#f2a3a3;--poor-bg:#431d1d}}
*{box-sizing:border-box}
html{scroll-behavior:smooth}
@media (prefers-reduced-motion:reduce){html{scroll-behavior:auto}}
body{margin:0 auto;max-width:1160px;padding:0 20px 40px;background:var(--bg);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",sans-serif;-webkit-text-size-adjust:100%}
img{display:block;max-width:100%;height:auto;border-radius:10px;background:var(--line)}
a{color:var(--accent)}
h1{font-size:clamp(1.9rem,5vw,3rem);line-height:1.1;margin:.1em 0 .6em;letter-spacing:-.02em;overflow-wrap:anywhere}
h2{font-size:1.35rem;margin:2.6em 0 .9em;letter-spacing:-.01em}
h3{font-size:1rem;margin:0 0 .2em;overflow-wrap:anywhere}
.hero{display:grid;grid-template-columns:1fr minmax(220px,420px);gap:36px;align-items:center;padding:36px 0 8px}
.portrait img{border-radius:18px;box-shadow:0 18px 50px rgb(0 0 0/.22)}
.brand{font-weight:650;color:var(--accent);margin:0;letter-spacing:.02em}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(112px,1fr));gap:10px;margin:0 0 18px}
.facts div{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:10px 14px}
.facts dt{color:var(--faint);font-size:.82rem}.facts dd{margin:0;font-size:1.25rem;font-weight:600}
nav{display:flex;gap:18px;flex-wrap:wrap}
nav a{padding:6px 0}
.grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(200px,1fr));gap:16px}
figure{margin:0}
.grid img{width:100%}
.grid.small{grid-template-columns:repeat(auto-fill,minmax(140px,1fr))}
figcaption{display:flex;justify-content:space-between;align-items:center;gap:8px;padding:8px 2px;color:var(--faint);
font-size:.92rem}
.badge{display:inline-block;font-size:.8rem;font-weight:600;padding:1px 9px;border-radius:99px;white-space:nowrap;
font-variant-numeric:tabular-nums}
.good{color:var(--good);background:var(--good-bg)}.fair{color:var(--fair);background:var(--fair-bg)}
.poor{color:var(--poor);background:var(--poor-bg)}.none{color:var(--ink);background:var(--line);font-weight:400}
.strip{display:flex;gap:8px;overflow-x:auto;padding-bottom:10px;scroll-snap-type:x proximity}
.strip img{flex:none;width:170px;scroll-snap-align:start}
.strip.small figure{flex:none}.strip.small img{width:auto;height:170px;max-width:none}
figcaption:has(.badges){flex-wrap:wrap}.badges{display:flex;flex-wrap:wrap;gap:4px;flex-basis:100%}
[hidden]{display:none!important}
.filters,.cut{display:none}
.live .filters{display:flex;flex-wrap:wrap;gap:10px 18px;align-items:end;margin-bottom:16px}
fieldset{border:1px solid var(--line);border-radius:12px;padding:4px 14px 8px;margin:0;min-width:0}
legend{color:var(--faint);font-size:.82rem;padding:0 4px}
fieldset label{display:inline-flex;align-items:center;gap:6px;min-height:28px;margin-right:14px}
input{accent-color:var(--accent)}
.compare{margin:0 0 14px}
.pair{display:flex;gap:8px}.pair img{width:calc(50% - 4px);align-self:start}
.live .pair{display:grid;gap:0;max-width:420px}.live .pair img{grid-area:1/1;width:100%}
.live .pair .after{clip-path:inset(0 0 0 var(--cut,50%))}
.live .pair::after{content:"";grid-area:1/1;z-index:1;width:2px;margin-left:calc(var(--cut,50%) - 1px);background:#fff;
box-shadow:0 0 3px rgb(0 0 0/.6)}
.live .cut{display:flex;align-items:center;gap:10px;max-width:420px;color:var(--faint);font-size:.92rem}
.cut input{flex:1;min-width:0;height:28px}
.photo{display:grid;grid-template-columns:150px minmax(0,1fr);gap:18px;background:var(--card);
border:1px solid var(--line);border-radius:14px;padding:16px;margin-bottom:14px}
.photo>div:only-child{grid-column:1/-1}
.thumb{width:150px}
.photo ul{margin:.3em 0 .7em;padding-left:1.1em}.photo ul:empty{display:none}
.bad{color:var(--poor)}.warn{color:var(--fair)}
.bad,.warn{background:none}
.note{color:var(--faint);margin:.1em 0 .6em;font-size:.92rem}.note:empty{display:none}
.scroll{overflow-x:auto;background:var(--card);border:1px solid var(--line);border-radius:14px;padding:4px 14px 10px}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:.94rem}
caption{text-align:left;color:var(--faint);padding:10px 4px;font-size:.92rem}
th,td{padding:7px 10px;text-align:right;border-top:1px solid var(--line);white-space:nowrap}
th:first-child{text-align:left}thead th{color:var(--faint);font-weight:500;border-top:0}
tbody th{font-weight:500}
.bar{display:inline-block;height:8px;border-radius:4px;background:var(--accent);margin-right:10px;max-width:140px;
min-width:2px;opacity:.75}
footer{color:var(--faint);font-size:.88rem;border-top:1px solid var(--line);margin-top:48px;padding-top:16px}
:focus-visible{outline:2px solid var(--accent);outline-offset:2px;border-radius:6px}
@media (max-width:700px){.thumb{max-width:180px}.hero{grid-template-columns:1fr;gap:20px}.portrait{order:-1}
.grid{grid-template-columns:1fr 1fr}
.photo{grid-template-columns:minmax(0,1fr)}body{padding:0 14px 32px}}
@media print{body{max-width:none;padding:0}nav,.live .filters,.live .cut{display:none}
figure,img,tr,.facts div,.hero{break-inside:avoid}h2,h3{break-after:avoid}
.strip{flex-wrap:wrap;overflow:visible}.scroll{overflow:visible}.portrait img{box-shadow:none}
.live .pair{display:flex;gap:8px;max-width:none}.live .pair img{width:calc(50% - 4px)}
.live .pair .after{clip-path:none}.live .pair::after{content:none}}
""".strip()
