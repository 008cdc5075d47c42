import type { AppState } from './state/app.svelte.ts';
import { masterState } from './state/models/master.view-model.ts';
import { walk } from './ui/walk.ts';

const pages = { '1': 'lab', '2': 'workloads', '3': 'store' } as const;

/** The keys that work everywhere. Anything typed into a field stays there; while a dialog is open, it has the keyboard. */
export function pressKey(app: AppState, event: KeyboardEvent): void {
  if (event.defaultPrevented) return;
  const handled = event.ctrlKey || event.metaKey ? pressCommand(app, event) : pressPlain(app, event);
  if (handled) event.preventDefault();
}

function pressCommand(app: AppState, event: KeyboardEvent): boolean {
  const key = event.key.toLowerCase();
  if (key === 'k') app.dialog = app.dialog === 'palette' ? undefined : 'palette';
  else if (app.dialog) return false;
  else if (key === 'n') app.dialog = 'create';
  else if (key === 'd' && app.state) app.dialog = 'deploy';
  else if (key === 'z' && !isTyping(event) && app.actions.last?.undo) void app.actions.undo();
  else if (key === '`') app.terminals.panelOpen = !app.terminals.panelOpen;
  else if (key === '1' || key === '2' || key === '3') app.page = pages[key];
  else return false;
  return true;
}

function pressPlain(app: AppState, event: KeyboardEvent): boolean {
  if (app.dialog || isTyping(event) || event.altKey) return false;
  if (event.key === 'Escape') {
    if (app.state?.rewind.active) app.state.rewind.leave();
    else if (app.selection) app.selection = undefined;
    else app.storeKey = undefined;
    return true;
  }
  if (event.key === 'r' || event.key === 'R') return toggleRewind(app);
  else if (event.key === ' ') return playRewind(app, event);
  else if (event.key === '?') app.dialog = 'keys';
  else if (event.key === '/') return focusFilter();
  else if (event.key === 'k' || event.key === 'K') return onMaster(app, event) || onNode(app, event, 'power');
  else if (event.key === 'c' || event.key === 'C') return onNode(app, event, 'cordon');
  else if (event.key === 'l' || event.key === 'L') return onNode(app, event, 'link');
  else return app.page === 'lab' && walk(document.body, event.key);
  return true;
}

/** The master whose card has the focus. */
function onMaster(app: AppState, event: KeyboardEvent): boolean {
  const name =
    event.target instanceof Element ? event.target.closest<HTMLElement>('[data-master]')?.dataset['master'] : undefined;
  const lab = app.state;
  const master = lab?.masters.find((one) => one.name === name);
  if (!lab || !master) return false;
  if (masterState(master).off) void app.masters.start(lab.name, master.name);
  else if (master.state === 'running') void app.masters.kill(lab.name, master.name);
  return true;
}

function toggleRewind(app: AppState): boolean {
  const rewind = app.state?.rewind;
  if (rewind?.shown) rewind.hide();
  else rewind?.show();
  return rewind !== undefined;
}

/** A button that is focused keeps its own space bar. */
function playRewind(app: AppState, event: KeyboardEvent): boolean {
  const rewind = app.state?.rewind;
  if (!rewind?.active || (event.target instanceof Element && event.target.matches('button'))) return false;
  if (rewind.playing) rewind.pause();
  else rewind.play();
  return true;
}

/** The node that is focused, or whose pod is, or which is open beside the map. */
function onNode(app: AppState, event: KeyboardEvent, what: 'power' | 'cordon' | 'link'): boolean {
  const focused =
    event.target instanceof Element ? event.target.closest<HTMLElement>('[data-node]')?.dataset['node'] : undefined;
  const name = focused ?? (app.selection?.kind === 'node' ? app.selection.id : undefined);
  const lab = app.state;
  const worker = lab?.workers.find((one) => one.name === name);
  if (!lab || !worker) return false;
  if (what === 'link') app.breakLink(worker.name, 'api');
  else if (what === 'cordon') void app.nodes.setCordoned(lab.name, worker.name, !worker.health.cordoned);
  else if (worker.health.gone) void app.nodes.start(lab.name, worker.name);
  else void app.nodes.kill(lab.name, worker.name);
  return true;
}

function focusFilter(): boolean {
  const filters = [...document.querySelectorAll<HTMLElement>('[data-filter]')].filter(
    (one) => one.offsetParent !== null,
  );
  filters[0]?.focus();
  return filters.length > 0;
}

function isTyping(event: KeyboardEvent): boolean {
  const target = event.target;
  return target instanceof HTMLElement && (target.matches('input, textarea, select') || target.isContentEditable);
}
