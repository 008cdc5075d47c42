import { SteppedClock, yieldToEventLoop } from '#base/clock';
import { Context } from '#base/context';
import { silentLogger } from '#base/logger';
import { SeededRandom } from '#base/random';
import { SimulatedRuntime } from '#cri/simulator/runtime';
import { MemoryNetwork } from '#cri/simulator/testing/memory-network';
import type { RuntimeUnderTest } from './bench.ts';
import { criConformance } from './suite.ts';

async function open(): Promise<RuntimeUnderTest> {
  const clock = new SteppedClock();
  const runtime = new SimulatedRuntime({
    ...{ clock, random: new SeededRandom(3), logger: silentLogger, network: new MemoryNetwork() },
  });
  const patience = async <T>(promise: Promise<T>): Promise<T> => {
    let done = false;
    promise.then(
      () => (done = true),
      () => (done = true),
    );
    while (!done) {
      await yieldToEventLoop();
      await clock.step(100);
    }
    return promise;
  };
  let folders = 0;
  return {
    ...{ runtime, patience, pass: (ms) => clock.step(ms) },
    provide: async (image) => void (await patience(runtime.pullImage(Context.background(), image))),
    folder: async (files) => {
      const path = `/var/lib/test/${folders++}`;
      runtime.files.makeDirectory(path);
      for (const [name, text] of Object.entries(files)) {
        runtime.files.writeFile(`${path}/${name}`, Buffer.from(text), 0o644);
      }
      return path;
    },
    close: async () => runtime.reset(),
  };
}

criConformance({
  name: 'simulator',
  open,
  webServer: { image: 'docker.io/library/nginx:1.27', command: [] },
  cannot: {
    adoption: 'it is an object of the process that would be restarted',
    'half-closed port-forward': 'no image of the catalogue has a server that waits for the end of its input',
    isolation: 'its processes are functions, and have no kernel to confine them',
    limits: 'its processes use no memory of their own',
    'many users': 'every file is root’s',
    resize: 'its terminals have no size',
    'shared namespaces': 'each container has its own process table',
    sysctls: 'it has no kernel',
  },
});
