// Promise: every text can be read in each theme: 4.5 : 1 against what is behind it, icons and bars
// 3 : 1 (WCAG 2.2 AA). Computed from style.css itself, so that a new colour is measured too.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';

const css = readFileSync(new URL('../../assets/style.css', import.meta.url), 'utf8');

/** The custom properties of one theme's block. */
function colours(theme) {
  const block = css.split(`[data-theme='${theme}'] {`)[1].split('}')[0];
  return Object.fromEntries([...block.matchAll(/--([\w-]+): (#[0-9a-f]+)/g)].map(([, name, value]) => [name, value]));
}

function luminance(hex) {
  const digits = hex.length === 4 ? [...hex.slice(1)].map((digit) => digit + digit) : hex.slice(1).match(/../g);
  const [r, g, b] = digits.map((pair) => {
    const part = parseInt(pair, 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

export function contrast(a, b) {
  const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (light + 0.05) / (dark + 0.05);
}

const TEXT = [
  ['ink', ['bg', 'card', 'warn-bg', 'bad-bg', 'idle-bg']],
  ['dim', ['bg', 'card', 'idle-bg']],
  ['ok', ['card', 'ok-bg']],
  ['warn', ['card', 'warn-bg']],
  ['bad', ['card', 'bad-bg']],
  ['card', ['ink', 'accent']],
];
const GRAPHIC = [
  ['accent', ['card', 'track']],
  ['warn', ['track']],
  ['bad', ['track']],
  ['dim', ['track']],
];

for (const theme of ['light', 'dark', 'night']) {
  test(`${theme}: every pair has its contrast`, () => {
    const colour = colours(theme);
    for (const [pairs, least] of [[TEXT, 4.5], [GRAPHIC, 3]]) {
      for (const [front, backs] of pairs) {
        for (const back of backs) {
          const ratio = contrast(colour[front], colour[back]);
          assert.ok(ratio >= least, `${front} on ${back}: ${ratio.toFixed(2)} : 1`);
          if (process.env.CONTRAST) console.log(`${theme} ${front} on ${back}: ${ratio.toFixed(2)}`);
        }
      }
    }
  });
}
