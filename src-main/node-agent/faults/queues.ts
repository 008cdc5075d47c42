import type { Context } from '#base/context';
import { messageOf } from '#base/errors';
import type { NodeFault } from '#machines/faults';
import type { Kernel } from '#network/kernel';
import { queueHandle, UnsupportedFaultError, type FaultTools } from './applied.ts';
import { devicesTo } from './devices.ts';

type Shape = Extract<NodeFault, { kind: 'shape' }>;

const unlimitedKbit = 10_000_000;

/**
 * Puts a class in front of the devices: packets to the peers go through it, all others past it. Faults share one queue of
 * classes a device (`htb`), each with its own class; the last one takes the queue away.
 */
export async function queue(
  context: Context,
  tools: FaultTools,
  fault: Shape,
): Promise<(context: Context) => Promise<void>> {
  const devices = (await devicesTo(context, tools, fault.peers)).filter((device) => device !== 'lo');
  const done: string[] = [];
  const heal = async (life: Context): Promise<void> => {
    for (const device of done.splice(0)) await unqueue(life, tools, device);
  };
  try {
    for (const device of devices) {
      await openQueue(context, tools.kernel, device);
      done.push(device);
      await addClass(context, tools, device, fault);
    }
    return heal;
  } catch (error) {
    await heal(context);
    throw error;
  }
}

async function openQueue(context: Context, kernel: Kernel, device: string): Promise<void> {
  const root = await rootQueue(context, kernel, device);
  if (root === queueHandle) return;
  try {
    await kernel.run(context, ['tc', 'qdisc', 'add', 'dev', device, 'root', 'handle', queueHandle, 'htb']);
  } catch (error) {
    // Another fault may have been quicker.
    if ((await rootQueue(context, kernel, device)) === queueHandle) return;
    throw new UnsupportedFaultError(
      `neither latency nor rates can be had on ${device}: ${messageOf(error).split('\n')[0] ?? ''}`,
    );
  }
}

async function addClass(context: Context, tools: FaultTools, device: string, fault: Shape): Promise<void> {
  const { latencyMs, rateKbit = unlimitedKbit, peers } = fault;
  const tc = (...args: readonly string[]): Promise<string> => tools.kernel.run(context, ['tc', ...args]);
  const own = classOf(tools);
  await tc('class', 'add', 'dev', device, 'parent', queueHandle, 'classid', own.id, 'htb', 'rate', `${rateKbit}kbit`);
  const filter = ['filter', 'add', 'dev', device, 'parent', queueHandle, 'protocol', 'ip'];
  // Links that are named go before "everything".
  const order = String(peers.length > 0 ? own.order : own.order + 0x7fff);
  const addresses = peers.length > 0 ? peers.map(({ address }) => address) : ['0.0.0.0/0'];
  for (const address of addresses) {
    const match = ['u32', 'match', 'ip', 'dst', address.includes('/') ? address : `${address}/32`];
    await tc(...filter, 'prio', order, ...match, 'flowid', own.id);
  }
  if (latencyMs === undefined) return;
  try {
    await tc('qdisc', 'add', 'dev', device, 'parent', own.id, 'netem', 'delay', `${latencyMs}ms`, 'limit', '10000');
  } catch (error) {
    throw new UnsupportedFaultError(
      "latency cannot be added here: this kernel has no 'netem' queue (module sch_netem); loss and rates work",
      { cause: error },
    );
  }
}

async function unqueue(context: Context, tools: FaultTools, device: string): Promise<void> {
  const { kernel } = tools;
  const own = classOf(tools);
  const tc = (...args: readonly string[]): Promise<string> => kernel.run(context, ['tc', ...args]);
  if ((await classes(context, kernel, device)).some((id) => id !== own.id)) {
    for (const order of await orders(context, kernel, device, own.id)) {
      await tc('filter', 'del', 'dev', device, 'parent', queueHandle, 'protocol', 'ip', 'prio', order);
    }
    await tc('class', 'del', 'dev', device, 'classid', own.id);
    return;
  }
  await tc('qdisc', 'del', 'dev', device, 'root', 'handle', queueHandle);
}

/** The process's id tells faults apart: classes have 16 bits of it, filters 15. */
function classOf({ mark }: FaultTools): { readonly id: string; readonly order: number } {
  const number = (Number(mark) % 0xfffe) + 1;
  return { id: `${queueHandle}${number.toString(16)}`, order: (number % 0x7ffe) + 1 };
}

/** `df00:` when the device's queue is ours. `tc` prints JSON for queues, not for classes and filters. */
async function rootQueue(context: Context, kernel: Kernel, device: string): Promise<string | undefined> {
  const text = await kernel.run(context, ['tc', 'qdisc', 'show', 'dev', device, 'root']);
  return /^qdisc \S+ (\S+)/.exec(text)?.[1];
}

async function classes(context: Context, kernel: Kernel, device: string): Promise<readonly string[]> {
  const text = await kernel.run(context, ['tc', 'class', 'show', 'dev', device]);
  return [...text.matchAll(/^class htb (\S+)/gm)].map(([, id = '']) => id);
}

async function orders(context: Context, kernel: Kernel, device: string, id: string): Promise<ReadonlySet<string>> {
  const text = await kernel.run(context, ['tc', 'filter', 'show', 'dev', device, 'parent', queueHandle]);
  const lines = text.split('\n').filter((line) => line.split(' ').includes(id));
  return new Set(lines.map((line) => / pref (\d+) /.exec(line)?.[1] ?? '').filter((order) => order !== ''));
}

/** Takes our queue off every device. For a restarted supervisor, when no fault lives. */
export async function sweepQueues(context: Context, kernel: Kernel): Promise<void> {
  const text = await kernel.run(context, ['tc', 'qdisc', 'show']);
  for (const [, device = ''] of text.matchAll(new RegExp(`^qdisc htb ${queueHandle} dev (\\S+) root`, 'gm'))) {
    await kernel.run(context, ['tc', 'qdisc', 'del', 'dev', device, 'root', 'handle', queueHandle]);
  }
}
