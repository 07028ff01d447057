"""The page's only script: what Gradio's markup lacks for those who hear the page or steer it by keys.

Found by axe-core (tests/studio/test_browser.py). Gradio draws its parts anew at any time, so it is looked
after at every change.
"""

_SCRIPT = """() => {
    const root = document.documentElement, language = "%s";
    const each = (found, change) => document.querySelectorAll(found).forEach(change);
    const put = (one, name, value) => {
        if (one.getAttribute(name) !== value) one.setAttribute(name, value);
    };
    const mend = () => {
        put(root, "lang", language);  // Gradio puts the browser's there, not the page's
        each("div.empty[aria-label]", one => put(one, "role", "img"));
        // Its text says more:
        each(".upload-container[aria-label]", one => one.removeAttribute("aria-label"));
        each(".thumbnail-item", one => {
            const caption = one.textContent.trim(), label = one.getAttribute("aria-label") || "";
            if (!label.startsWith(caption)) one.setAttribute("aria-label", `${caption}, ${label}`);
            one.querySelectorAll("img").forEach(image => put(image, "alt", ""));
        });
        each(".color-picker", one => {
            const label = one.parentElement.querySelector(".dialog-button")?.getAttribute("aria-label") || "";
            one.querySelectorAll("input, button.swatch, button.eyedropper").forEach((part, i) => {
                put(part, "aria-label", `${label} ${i + 1}`);
            });
        });
        each(".impasto-picture button:has(img)", one => {
            const label = one.closest(".block")?.querySelector("[data-testid=block-label]");
            put(one, "aria-label", label?.textContent.trim() || "image");
        });
    };
    let due = false;
    const soon = () => {
        if (!due) requestAnimationFrame(() => { due = false; mend(); });
        due = true;
    };
    const attributeFilter = ["lang", "aria-label"];
    new MutationObserver(soon).observe(root, { childList: true, subtree: true, attributeFilter });
    mend();
}"""


def script(language: str) -> str:
    """What a browser does when it has loaded the page in that language."""
    return _SCRIPT % language
