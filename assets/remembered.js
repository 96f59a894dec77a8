// What this browser is to remember of how somebody likes to look at things.
//
// Storage may be forbidden (private windows, kiosk modes), and what is in it may be anything: the choice
// then lasts as long as the page.

/** What was kept under this name, on top of what it is without; unknown kinds of values are left out. */
export function remembered(name, otherwise) {
  let kept;
  try {
    kept = JSON.parse(localStorage.getItem(`takpulse-${name}`));
  } catch {
    // As if nothing had been kept.
  }
  const kind = (value) => (Array.isArray(value) ? 'list' : typeof value);
  const known = Object.keys(otherwise).filter((key) => kind(kept?.[key]) === kind(otherwise[key]));
  return { ...otherwise, ...Object.fromEntries(known.map((key) => [key, kept[key]])) };
}

export function remember(name, value) {
  try {
    localStorage.setItem(`takpulse-${name}`, JSON.stringify(value));
  } catch {
    // Nothing to be done, and nothing lost but the choice.
  }
}
