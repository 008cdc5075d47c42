import { SteppedClock, yieldToEventLoop } from '#base/clock';
import { silentLogger } from '#base/logger';
import { SeededRandom } from '#base/random';
import { SimulatedRuntime } from '#cri/simulator/runtime';
import { MemoryNetwork } from '#cri/simulator/testing/memory-network';
import { criConformance } from './suite.ts';

criConformance('simulator', async () => {
  const clock = new SteppedClock();
  const runtime = new SimulatedRuntime({
    clock,
    random: new SeededRandom(3),
    logger: silentLogger,
    network: new MemoryNetwork(),
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
  return { runtime, patience, close: async () => runtime.reset() };
});
