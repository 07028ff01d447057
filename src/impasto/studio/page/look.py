"""How the page looks: system fonts, few colours, light and dark, narrow and wide."""

import gradio as gr

_SANS = (
    "system-ui",
    "-apple-system",
    "Segoe UI",
    "Noto Sans",
    "Noto Sans CJK SC",
    "PingFang SC",
    "sans-serif",
)
_MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")


def theme() -> gr.themes.Base:
    """Gradio's plain theme with our colours and the system's fonts."""
    return gr.themes.Base(
        primary_hue=gr.themes.colors.amber,
        secondary_hue=gr.themes.colors.blue,
        neutral_hue=gr.themes.colors.stone,
        radius_size=gr.themes.sizes.radius_md,
        font=[gr.themes.Font(name) for name in _SANS],
        font_mono=[gr.themes.Font(name) for name in _MONO],
    ).set(
        button_primary_background_fill="*secondary_700",
        button_primary_background_fill_hover="*secondary_800",
        button_primary_background_fill_dark="*secondary_700",
        button_primary_background_fill_hover_dark="*secondary_800",
        button_primary_text_color="white",
        body_text_color_subdued="*neutral_600",  # 7 : 1 on fields
        body_text_color_subdued_dark="*neutral_300",
        block_info_text_color="*neutral_600",
    )


CSS = """
.gradio-container { width: 100% !important; max-width: 1720px !important; margin: 0 auto !important; }
.impasto-head { display: flex; flex-wrap: wrap; align-items: baseline; gap: .3rem 1rem; padding: .4rem 0; }
.impasto-head h1 { font-size: 1.6rem; font-weight: 700; margin: 0; letter-spacing: -.01em; }
.impasto-head p { margin: 0; flex: 1 1 16rem; color: var(--body-text-color-subdued); }
.impasto-head nav { display: flex; gap: .8rem; }
.impasto-head a { color: var(--body-text-color); text-decoration: underline; padding: .2rem; }
.impasto-head a[aria-current] { font-weight: 700; text-decoration: none; }
.impasto-figure svg { width: 100%; height: auto; display: block; }
.impasto-figure figcaption { color: var(--body-text-color-subdued); font-size: .9rem; }
.impasto-verdict { border-left: .3rem solid currentColor; padding: .2rem .8rem; }
.impasto-verdict.bad { border-color: #c2410c; } .impasto-verdict.good { border-color: #15803d; }
.impasto-verdict { white-space: pre-line; margin: .2rem 0; }
.impasto-note:not(:has(p)) { display: none; }
.impasto-busy { display: grid; gap: .4rem; margin: .2rem 0; padding: .6rem .8rem; border-radius: .5rem;
    background: var(--block-background-fill); border: 1px solid var(--border-color-primary); }
.impasto-busy progress { width: 100%; height: .5rem; accent-color: var(--secondary-600); }
.column:has(> #create-note .impasto-busy) #grid .grid-wrap { opacity: .4; }
.impasto-grid:not(.impasto-map) .thumbnail-item.selected {
    outline: 3px solid var(--secondary-500); outline-offset: 1px; }
.tab-container button.selected { color: var(--body-text-color) !important; font-weight: 700; }
.impasto-grid .grid-container {
    grid-template-columns: repeat(auto-fill, minmax(clamp(88px, 15%, 160px), 1fr)); padding-top: 1.6rem; }
.impasto-grid .grid-wrap {
    height: auto !important; max-height: none !important; overflow: visible !important; }
.impasto-map .grid-container { grid-template-columns: repeat(7, 1fr); gap: 2px; }
.impasto-map .grid-container button { border-width: 0; border-radius: 0; min-width: 0; box-shadow: none; }
.impasto-map .gallery-item:nth-child(18) { outline: 3px solid var(--secondary-500); } /* the middle of 35 */
.impasto-picture img { width: 100%; height: 100%; object-fit: contain; }
.impasto-picture .image-frame { padding-top: 1.8rem; }
:focus-visible { outline: 3px solid var(--secondary-500) !important; outline-offset: 2px; }
[role=tab]:focus-visible { outline-offset: -3px; }
@media (prefers-reduced-motion: reduce) { * { animation: none !important; transition: none !important; } }
"""

ICON = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">
<rect width="32" height="32" rx="7" fill="#1d4ed8"/><path d="M6 22c5-12 9-12 11-5s5 5 9-6"
fill="none" stroke="#f59e0b" stroke-width="5" stroke-linecap="round"/></svg>"""
