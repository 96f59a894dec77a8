// Light, dark, or night: red on black, which keeps eyes adapted to the dark in a vehicle.
//
// A classic script in the head, not a module: it runs before the first paint, so that nobody who
// chose night is ever shown a white page.
'use strict';
(() => {
  const CHOICES = ['auto', 'light', 'dark', 'night'];
  const KEY = 'takpulse-theme';
  const prefersDark = matchMedia('(prefers-color-scheme: dark)');

  // Storage may be forbidden (private windows, kiosk modes): the theme then lasts as long as the page.
  const remembered = () => {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null;
    }
  };
  const remember = (choice) => {
    try {
      localStorage.setItem(KEY, choice);
    } catch {
      // Nothing to be done, and nothing lost but the choice.
    }
  };

  let choice = CHOICES.includes(remembered()) ? remembered() : 'auto';

  const apply = () => {
    const theme = choice === 'auto' ? (prefersDark.matches ? 'dark' : 'light') : choice;
    document.documentElement.dataset.theme = theme;
    const button = document.getElementById('theme');
    if (!button) return;
    button.querySelector('[data-field=theme]').textContent = choice;
    button.setAttribute('aria-label', `Theme: ${choice}. Change`);
  };

  apply();
  prefersDark.addEventListener('change', apply);
  document.addEventListener('DOMContentLoaded', () => {
    apply();
    document.getElementById('theme')?.addEventListener('click', () => {
      choice = CHOICES[(CHOICES.indexOf(choice) + 1) % CHOICES.length];
      remember(choice);
      apply();
    });
  });
})();
