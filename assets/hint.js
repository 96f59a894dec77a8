// Shows on a touch screen what a mouse finds by hovering: why a figure is a dash, and the whole of
// a name that was cut off.

/** The whole of an event takes longer to read than a name. */
const shownMs = (text) => Math.max(5000, text.length * 50);

/** Shows the `title` of whatever is tapped, in a line at the bottom of the page. */
export function showHints(line, signal) {
  let timer;
  const hide = () => {
    line.hidden = true;
  };
  document.addEventListener(
    'click',
    (event) => {
      clearTimeout(timer);
      const title = event.target.closest?.('[title]')?.title;
      // A mouse has its tooltip already.
      // Neither does whoever has opened something want to hear of it.
      if (!title || event.pointerType === 'mouse' || event.defaultPrevented) return hide();
      // An open dialog lies above everything that is not in it; the last one above the others.
      ([...document.querySelectorAll('dialog[open]')].at(-1) ?? document.body).append(line);
      line.textContent = title;
      line.hidden = false;
      timer = setTimeout(hide, shownMs(title));
    },
    { signal },
  );
}
