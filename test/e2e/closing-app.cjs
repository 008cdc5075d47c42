'use strict';
// Starts the built app and closes its window while the page still loads, as a person does who changed their mind.
const { readFileSync } = require('node:fs');
const { join } = require('node:path');
const { app } = require('electron');

const root = join(__dirname, '../..');
app.on('browser-window-created', (_event, window) => window.webContents.once('did-navigate', () => window.close()));

require(join(root, JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).main));
