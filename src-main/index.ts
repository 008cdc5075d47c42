import { join } from 'node:path';
import { RealClock } from '#base/clock';
import { formatLogEntry, SinkLogger } from '#base/logger';
import { resolveHome } from '#cluster/home';
import { DesktopApp } from '#desktop/app';
import { openHost } from '#host/open-host';

/** The desktop app: `--home DIR` and DRYDOCK_HOME as on the command line. */
const homeFlag = process.argv.indexOf('--home');
const home = resolveHome(homeFlag < 0 ? undefined : process.argv[homeFlag + 1]);
const logger = new SinkLogger(
  new RealClock(),
  (entry) => process.stderr.write(`${formatLogEntry(entry)}\n`),
  'warn',
  'drydock',
);

const outFolder = join(__dirname, '..');

new DesktopApp({ outFolder, logger, openHost: () => openHost(home, 'desktop', logger, { outFolder }) }).run();
