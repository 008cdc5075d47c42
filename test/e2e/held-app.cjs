'use strict';
// Starts the built app, but lets it be ready only when Playwright has attached to all of Chromium's targets.
//
// Playwright holds apps back like this itself (its own loader), but not where it is told which executable to start.
// An app that runs on opens its window while Playwright attaches. An attachment in the middle of the window's first
// navigation sees the empty first document, and Chromium then does not report the navigation's end to it
// (no Page.frameNavigated): electron.launch waits for it until its timeout. Targets made after the attachment stop
// until Playwright has prepared them, so nothing of them is missed.
const { readFileSync } = require('node:fs');
const { join } = require('node:path');
const { app } = require('electron');

const root = join(__dirname, '../..');
const { main, productName } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
// Electron reads the name only when it is given the app's folder.
app.setName(productName);

const ready = app.whenReady();
const attached = new Promise((resolve) => {
  globalThis.__playwright_run = resolve; // electron.launch calls it by this name, as its last step.
});
app.whenReady = () => attached.then(() => ready);

require(join(root, main));
