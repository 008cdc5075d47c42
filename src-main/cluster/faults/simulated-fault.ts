import type { Component } from '#base/component';
import { Context } from '#base/context';
import { MachineError } from '#machines/errors';
import type { InjectedFault } from '#machines/fault-book';
import { apiEnd, nodeDiskBytes, type FaultSpec } from '#machines/faults';
import type { EmbeddedWorker } from '../workers/embedded-worker.ts';
import type { Press } from '../workers/simulated-host-stats.ts';

type Spec = Exclude<FaultSpec, { kind: 'node' }>;

/** What is in place, before it has an end. */
interface Broken {
  readonly text: string;
  readonly heal: (context: Context) => Promise<void> | void;
}

/** Breaks something of a simulated worker. Throws MachineError UNSUPPORTED for what simulated machines do not have. */
export async function injectIntoSimulation(spec: Spec, worker: EmbeddedWorker): Promise<InjectedFault> {
  const { text, heal } = await breakIt(spec, worker);
  let over = false;
  const healOnce = async (context: Context): Promise<void> => {
    if (over) return;
    over = true;
    await heal(context);
  };
  // A cut cable stays cut, whatever happens to the machines at its ends.
  if (spec.kind === 'cut' || spec.kind === 'shape') {
    return { text, heal: healOnce, ended: new Promise(() => undefined) };
  }
  const ended = new Promise<string>((resolve) => {
    worker.onPowerOff((why) => {
      if (over) return;
      over = true;
      if (spec.kind !== 'process' || spec.process === 'containerd') void heal(Context.background());
      resolve(`over: ${why}`);
    });
  });
  return { text, heal: healOnce, ended };
}

async function breakIt(spec: Spec, worker: EmbeddedWorker): Promise<Broken> {
  const { name } = worker.config;
  const { links } = worker;
  switch (spec.kind) {
    case 'process':
      return holdDown(worker, spec.process);
    case 'cut': {
      const [from, to] = [end(spec.from), end(spec.to)];
      const rules = [{ from, to, drop: true }, ...(spec.oneWay ? [] : [{ from: to, to: from, drop: true }])];
      const cut = rules.map((rule) => links.add(rule));
      const way = spec.oneWay ? 'to' : 'and';
      return {
        text: `packets ${spec.oneWay ? 'from' : 'between'} ${spec.from} ${way} ${spec.to} are dropped`,
        heal: () => cut.forEach((one) => one.dispose()),
      };
    }
    case 'shape': {
      const { latencyMs, lossPercent, rateKbit } = spec;
      const rule = links.add({
        from: end(spec.from),
        ...(spec.to === undefined ? {} : { to: end(spec.to) }),
        ...(latencyMs === undefined ? {} : { latencyMs }),
        ...(lossPercent === undefined ? {} : { loss: lossPercent / 100 }),
        ...(rateKbit === undefined ? {} : { rateKbit }),
      });
      const said = [
        ...(latencyMs === undefined ? [] : [`${latencyMs} ms later`]),
        ...(rateKbit === undefined ? [] : [`at most ${rateKbit} kbit/s`]),
        ...(lossPercent === undefined ? [] : [`${lossPercent} % lost`]),
      ].join(', ');
      return { text: `${spec.from}: packets to ${spec.to ?? 'all others'}: ${said}`, heal: () => rule.dispose() };
    }
    case 'dns': {
      const dropped = links.dropDns(name);
      return { text: `${name}: DNS queries of pods are dropped`, heal: () => dropped.dispose() };
    }
    case 'disk':
      return press(
        worker,
        { diskFreePercent: spec.freePercent },
        `${Math.round((nodeDiskBytes * spec.freePercent) / 100 / 1024 ** 2)} MiB of the disk are left`,
      );
    case 'memory':
      return press(
        worker,
        { memoryBytes: spec.bytes },
        `${Math.round(spec.bytes / 1024 ** 2)} MiB of memory are taken`,
      );
    case 'cpu':
      return press(worker, { cores: spec.cores }, `${spec.cores} cores are busy`);
    case 'pids':
      return press(worker, { processes: spec.count }, `${spec.count} processes more than before are there`);
  }

  function end(node: string): string {
    return node === apiEnd ? worker.master : node;
  }
}

function press(worker: EmbeddedWorker, what: Press, text: string): Broken {
  const pressed = worker.stats.press(what);
  return { text: `${worker.config.name}: ${text}`, heal: () => pressed.dispose() };
}

function holdDown(worker: EmbeddedWorker, process: Extract<Spec, { kind: 'process' }>['process']): Broken {
  const { name } = worker.config;
  const text = `${name}: ${process} is held down`;
  if (process === 'containerd') {
    worker.runtimeDoor.shut();
    return { text, heal: () => worker.runtimeDoor.open() };
  }
  if (process === 'network')
    throw new MachineError('UNSUPPORTED', `${name} is simulated: no network program runs on it that could be ended`);
  const component: Component = process === 'kubelet' ? worker.kubeletComponent : worker.proxy;
  if (component.state !== 'running') throw new MachineError('INVALID', `${process} of ${name} does not run`);
  component.crash();
  return { text, heal: (context) => component.start(context) };
}
