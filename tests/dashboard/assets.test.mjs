// Promise: the dashboard is plain files of its own server: no inline code (the policy forbids it), no
// HTML made from data, nothing fetched from anywhere, nothing too long to be read in one go.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import test from 'node:test';

const folder = new URL('../../assets/', import.meta.url);
const read = (name) => readFileSync(new URL(name, folder), 'utf8');
const names = readdirSync(folder);
const scripts = names.filter((name) => name.endsWith('.js'));
const html = read('index.html');
const login = read('login.html');

test('no inline style or script, and no handler in an attribute', () => {
  for (const page of [html, login]) {
    assert.doesNotMatch(page, /<style|\sstyle=|\son\w+=|javascript:/);
    assert.doesNotMatch(page, /<script(?![^>]*\ssrc=)/);
  }
});

test('text from the wire can’t become HTML', () => {
  for (const name of scripts) {
    assert.doesNotMatch(read(name), /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function/, name);
  }
});

test('nothing refers to another host, and every reference is there and works under a base path', () => {
  for (const name of names) {
    const others = read(name).replaceAll('http://www.w3.org/2000/svg', '').match(/(https?:)?\/\/[\w.-]+\.\w+|url\(/g);
    assert.equal(others, null, name);
  }
  for (const page of [html, login]) {
    for (const [, target] of page.matchAll(/\s(?:href|src)="([^"#]+)"/g)) assert.ok([...names, 'login'].includes(target), target);
    for (const [, icon] of page.matchAll(/href="#([^"]+)"/g)) assert.ok(page.includes(`<symbol id="${icon}"`), icon);
  }
  for (const icon of read('glance.js').match(/favicon[\w-]*\.svg/g)) assert.ok(names.includes(icon), icon);
});

test('every module is announced, so that a slow link loads them side by side', () => {
  const announced = [...html.matchAll(/modulepreload" href="([^"]+)"/g)].map(([, name]) => name);
  const modules = scripts.filter((name) => !['main.js', 'theme.js', 'login.js'].includes(name));
  assert.deepEqual(announced.sort(), modules.sort());
});

test('the sign-in page asks only for what is served to everybody', () => {
  const open = ['login.js', 'style.css', 'theme.js', 'favicon.svg'];
  for (const [, target] of login.matchAll(/\s(?:href|src)="([^"#]+)"/g)) assert.ok(open.includes(target), target);
  for (const name of ['login.js', 'theme.js']) assert.doesNotMatch(read(name), /^import|import\(/m, name);
});

test('each script says first why it exists, and can be read in one go', () => {
  for (const name of scripts) {
    const text = read(name);
    assert.match(text, /^\/\/ \S/, name);
    assert.ok(text.split('\n').length <= 200, name);
  }
});
