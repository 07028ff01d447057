"""The studio's page: Gradio on the studio's application, at `/en` and `/zh`; `/` leads to one of them.

Nothing comes from elsewhere: fonts are the system's, analytics are off, scripts lie in Gradio's package.
"""

from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse, Response

from impasto.telemetry import without_telemetry

with without_telemetry():
    import gradio as gr

from impasto.studio.page import create, explore, favourites, learn, train, upscale
from impasto.studio.page.allowlist import GradioAllowlist
from impasto.studio.page.context import KEEP_SECONDS, PageContext
from impasto.studio.page.look import CSS, ICON, theme
from impasto.studio.page.script import script
from impasto.studio.page.words import LANGUAGES, choose_language
from impasto.studio.studio import Studio

TIDY_SECONDS = 600  # how often files that were shown are removed, once they are `KEEP_SECONDS` old


def mount(app: FastAPI) -> None:
    """Put the page on an application that has a studio."""
    studio: Studio = app.state.studio

    async def front(request: Request) -> RedirectResponse:
        return RedirectResponse(f"/{choose_language(request.headers.get('accept-language', ''))}/", 303)

    app.add_api_route("/", front, include_in_schema=False)
    app.add_api_route(
        "/favicon.ico", lambda: Response(ICON, media_type="image/svg+xml"), include_in_schema=False
    )
    pages = {language: build(studio, language) for language in LANGUAGES}
    app.add_middleware(GradioAllowlist, pages=pages)
    for language, page in pages.items():
        gr.mount_gradio_app(
            app,
            page,
            path=f"/{language}",
            footer_links=[],
            show_error=True,
            max_file_size=studio.settings.limits.upload_bytes,
            ssr_mode=False,
            enable_monitoring=False,
            pwa=False,
            run_history=False,
            theme=theme(),
            css=CSS,
            js=script(language),
        )


def build(studio: Studio, language: str) -> gr.Blocks:
    """The page in one language."""
    context = PageContext(studio, language)
    with gr.Blocks(
        title="Impasto", analytics_enabled=False, delete_cache=(TIDY_SECONDS, KEEP_SECONDS)
    ) as page:
        context.heading()
        browser = favourites.browser_storage()
        with gr.Tabs() as tabs:
            with gr.Tab(context.say("create"), id="create") as first:
                create_tab = create.build(context)
            with gr.Tab(context.say("explore"), id="explore") as tab:
                explore_tab = explore.build(context, browser)
            with gr.Tab(context.say("upscale"), id="upscale"):
                upscale_tab = upscale.build(context)
            with gr.Tab(context.say("train"), id="train"):
                train_tab = train.build(context)
            with gr.Tab(context.say("learn"), id="learn"):
                learn.build(context, page)
        create_tab.connect(context, page, first, tabs, upscale_tab.files)
        explore_tab.connect(context, page, tab, create_tab)
        upscale_tab.connect(context, page)
        train_tab.connect(context, page, tabs, create_tab.model, create_tab.redraw)
    built: gr.Blocks = page
    return built
