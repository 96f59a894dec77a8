// How far the page can be believed right now: live, reconnecting, or stale since when.

import { fields, setAttribute, setPill, setText } from './dom.js';
import { span, timeOfDay } from './format.js';

/** What the badge says: `{kind, text, spoken, title?, button?}`. Pure. */
export function badgeText({ state, retryAt, refusal }, view, wallClock) {
  const from = view.newest === undefined ? '' : `Figures from ${timeOfDay(view.newest)}.`;
  if (state === 'signed-out') {
    return { kind: 'bad', text: 'Signed out', spoken: 'Signed out', title: refusal, button: 'Sign in' };
  }
  if (state === 'waiting') {
    const seconds = Math.max(1, Math.ceil((retryAt - wallClock) / 1000));
    const title = [refusal, from].filter(Boolean).join(' ');
    const text = `Reconnecting in ${span(seconds)}`;
    return { kind: 'bad', text, spoken: 'Connection lost, reconnecting', title, button: 'Now' };
  }
  if (state === 'connecting') {
    const again = view.newest !== undefined;
    const word = again ? 'Reconnecting…' : 'Connecting…';
    return { kind: again ? 'bad' : 'unknown', text: word, spoken: again ? 'Connection lost, reconnecting' : '', title: from };
  }
  if (view.newest === undefined) {
    return { kind: 'unknown', text: 'Connected, waiting', spoken: 'Connected', title: 'Nothing has been reported yet.' };
  }
  if (view.stale) {
    const text = `Stale since ${timeOfDay(view.newest)}`;
    return { kind: 'warning', text, spoken: text, title: 'Connected, but no source has reported since.' };
  }
  return { kind: 'ok', text: `Live, ${span(view.now - view.newest)} ago`, spoken: 'Live', title: from };
}

/** Draws the badge; `onNow` and `onSignIn` are what its button does. */
export class Badge {
  #parts;
  #button = '';

  constructor(element, { onNow, onSignIn, signal }) {
    this.element = element;
    this.#parts = fields(element);
    const act = () => {
      if (this.#button === 'Now') onNow();
      if (this.#button === 'Sign in') onSignIn();
    };
    this.#parts.button.addEventListener('click', act, { signal });
  }

  show(stream, view) {
    const { pill, button, spoken } = this.#parts;
    const says = badgeText(stream, view, Date.now());
    this.#button = says.button ?? '';
    setPill(pill, says.kind, says.text, says.title);
    // On a phone a long text gets a line of its own.
    setAttribute(this.element, 'data-kind', says.kind);
    button.hidden = !says.button;
    setText(button, this.#button);
    setAttribute(button, 'aria-label', this.#button === 'Now' ? 'Reconnect now' : undefined);
    // The ticking age is for the eye; a screen reader hears of changes only.
    setText(spoken, says.spoken);
  }
}
