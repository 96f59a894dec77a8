// Puts rows of a table in the order that its heads ask for.
//
// Pure.

const collator = new Intl.Collator('en', { numeric: true, sensitivity: 'base' });

function compare(a, b) {
  return typeof a === 'number' && typeof b === 'number' ? a - b : collator.compare(a, b);
}

/**
 * The items by the value that `of` has for each. What is not known comes last either way round; equals are
 * ordered by name and key, and so stay where they are when new readings come.
 */
export function ordered(items, { of, down, nameOf, keyOf }) {
  const absent = (value) => value === undefined || value === null || value === '';
  const keyed = items.map((item) => ({ item, value: of(item), name: nameOf(item) ?? '', key: keyOf(item) }));
  keyed.sort((a, b) => {
    if (absent(a.value) !== absent(b.value)) return absent(a.value) ? 1 : -1;
    const by = absent(a.value) ? 0 : compare(a.value, b.value);
    return (down ? -by : by) || collator.compare(a.name, b.name) || compare(a.key, b.key);
  });
  return keyed.map(({ item }) => item);
}

/** The order after a click on a column's head: another way round when it was that one already. */
export function turned(order, column, columns) {
  const same = order.column === column;
  return { column, down: same ? !order.down : columns[column]?.down === true };
}

/** The items in whose texts all these words are found. */
export function matching(items, text, textsOf) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return items;
  return items.filter((item) => {
    const all = textsOf(item).filter(Boolean).join('\n').toLowerCase();
    return words.every((word) => all.includes(word));
  });
}
