import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  Server,
  ServerCredentials,
  status,
  type handleUnaryCall,
  type MethodDefinition,
  type ServerWritableStream,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { SteppedClock } from '#base/clock';
import { Context } from '#base/context';
import { CancelledError } from '#base/errors';
import { silentLogger } from '#base/logger';
import type { PodSandboxConfig } from '../cri.ts';
import { GrpcRuntime } from './runtime.ts';
import { decodeMessage, encodeMessage } from './schema.ts';

/** A runtime that answers as a test wants it; what a real one does is the conformance suite's. */
class FakeServer {
  readonly folder = mkdtempSync(join(tmpdir(), 'drydock-cri-'));
  readonly endpoint = `unix://${join(this.folder, 'cri.sock')}`;
  readonly calls: string[] = [];
  /** By method; one that never answers stands for a runtime that hangs. */
  readonly answers = new Map<string, (request: Record<string, unknown>) => object | { code: status } | undefined>();
  readonly eventStreams: ServerWritableStream<unknown, object>[] = [];
  readonly #server = new Server();

  async start(): Promise<void> {
    const definitions: Record<string, MethodDefinition<unknown, object>> = {};
    const handlers: UntypedServiceImplementation = {};
    for (const [name, [request, response]] of Object.entries(methods)) {
      definitions[name] = definition(name, request, response);
      const handle: handleUnaryCall<Record<string, unknown>, object> = (call, callback) => {
        this.calls.push(name);
        const answer = this.answers.get(name)?.(call.request);
        if (answer && 'code' in answer) callback(answer);
        else if (answer) callback(null, answer);
      };
      handlers[name] = handle;
    }
    definitions['GetContainerEvents'] = {
      ...definition('GetContainerEvents', 'Empty', 'ContainerEventResponse'),
      responseStream: true,
    };
    handlers['GetContainerEvents'] = (stream: ServerWritableStream<unknown, object>) => this.eventStreams.push(stream);
    this.#server.addService(definitions, handlers);
    await new Promise<void>((resolve, reject) => {
      this.#server.bindAsync(this.endpoint, ServerCredentials.createInsecure(), (error) =>
        error ? reject(error) : resolve(),
      );
    });
  }

  stop(): void {
    this.#server.forceShutdown();
    rmSync(this.folder, { recursive: true });
  }
}

const methods: Readonly<Record<string, readonly [string, string]>> = {
  Version: ['VersionRequest', 'VersionResponse'],
  ContainerStatus: ['ContainerRequest', 'ContainerStatusResponse'],
  RunPodSandbox: ['RunPodSandboxRequest', 'RunPodSandboxResponse'],
  PodSandboxStatus: ['PodSandboxRequest', 'PodSandboxStatusResponse'],
  ListPodSandbox: ['Empty', 'ListPodSandboxResponse'],
  ListContainers: ['ListContainersRequest', 'ListContainersResponse'],
  CreateContainer: ['CreateContainerRequest', 'CreateContainerResponse'],
};

function definition(name: string, request: string, response: string): MethodDefinition<unknown, object> {
  return {
    path: `/runtime.v1.RuntimeService/${name}`,
    requestStream: false,
    responseStream: false,
    requestSerialize: (message) => encodeMessage(request, message as object),
    requestDeserialize: (bytes) => decodeMessage<unknown>(request, bytes),
    responseSerialize: (message) => encodeMessage(response, message),
    responseDeserialize: (bytes) => decodeMessage<object>(response, bytes),
  };
}

const context = Context.background();
let server: FakeServer;
let clock: SteppedClock;
let runtime: GrpcRuntime;
const connect = (): GrpcRuntime => new GrpcRuntime({ endpoint: server.endpoint, clock, logger: silentLogger });

beforeEach(async () => {
  server = new FakeServer();
  await server.start();
  clock = new SteppedClock();
  runtime = connect();
});
afterEach(() => {
  runtime.close();
  server.stop();
});

test('codes and words of a runtime come through, with their cause', async () => {
  const codes = { NOT_FOUND: 'NotFound', FAILED_PRECONDITION: 'FailedPrecondition', INTERNAL: 'Unknown' } as const;
  for (const [name, code] of Object.entries(codes)) {
    server.answers.set('ContainerStatus', () => ({
      code: status[name as keyof typeof codes],
      details: `because ${name}`,
    }));
    await expect(runtime.containerStatus(context, 'x')).rejects.toMatchObject({
      ...{ name: 'CriError', code, message: `because ${name}`, cause: expect.any(Error) },
    });
  }
});

test('a runtime that hangs is given up after two minutes, or when the caller gives up', async () => {
  const slow = expect(runtime.version(context)).rejects.toMatchObject({ code: 'DeadlineExceeded' });
  await expect.poll(() => server.calls).toEqual(['Version']);
  await clock.step(120_000);
  await slow;
  const { context: mine, cancel } = context.withCancel();
  const given = expect(runtime.version(mine)).rejects.toBeInstanceOf(CancelledError);
  cancel();
  await given;
  expect(clock.pendingTimers).toBe(0);
});

test('a runtime that is not there is Unavailable', async () => {
  const nowhere = new GrpcRuntime({ endpoint: 'unix:///nowhere/cri.sock', clock, logger: silentLogger });
  await expect(nowhere.version(context)).rejects.toMatchObject({ code: 'Unavailable' });
  nowhere.close();
});

test('what a sandbox was made with is kept with it, unseen, for the next client', async () => {
  const config: PodSandboxConfig = {
    metadata: { name: 'web', uid: 'u', namespace: 'default', attempt: 1 },
    ...{ hostname: 'web-0', labels: { a: 'b' }, annotations: { c: 'd' }, network: 'NODE', pid: 'POD' },
    ...{ logDirectory: '/var/log/pods/web', cgroupParent: '/kubepods/podu', sysctls: { 'kernel.x': '1' } },
    portMappings: [{ protocol: 'UDP', containerPort: 53, hostPort: 5353, hostIP: '' }],
  };
  let made: Record<string, unknown> = {};
  server.answers.set('RunPodSandbox', ({ config: asked }) => {
    made = asked as Record<string, unknown>;
    return { pod_sandbox_id: 's' };
  });
  await runtime.runPodSandbox(context, config);
  const { metadata, labels, annotations } = made;
  server.answers.set('PodSandboxStatus', () => ({
    status: { id: 's', metadata, labels, annotations, state: 'SANDBOX_READY', network: { ip: '192.0.2.1' } },
  }));
  const next = connect();
  const seen = await next.podSandboxStatus(context, 's');
  expect(seen).toMatchObject({ metadata: config.metadata, labels: { a: 'b' } });
  expect([seen.annotations, seen.ip]).toEqual([{ c: 'd' }, undefined]);
  let again: unknown;
  server.answers.set('CreateContainer', ({ sandbox_config: given }) => {
    again = given;
    return { container_id: 'c' };
  });
  const empty = { command: [], args: [], envs: [], mounts: [], labels: {}, annotations: {} };
  const container = { metadata: { name: 'm', attempt: 0 }, image: 'x', stdin: false, stdinOnce: false, tty: false };
  expect(await next.createContainer(context, 's', { ...container, ...empty })).toBe('c');
  expect(again).toEqual(made);
  next.close();
});

test('a runtime that tells its events is listed at once, without waiting for the second', async () => {
  const sandbox = { id: 's', metadata: { name: 'web', uid: 'u', namespace: 'default', attempt: 0 } };
  let state = 'SANDBOX_READY';
  server.answers.set('ListContainers', () => ({ containers: [] }));
  server.answers.set('ListPodSandbox', () => ({ items: [{ ...sandbox, state }] }));
  const { context: listening, cancel } = context.withCancel();
  const seen: string[] = [];
  const events = runtime.getContainerEvents(listening);
  const reading = (async () => {
    for await (const event of events) seen.push(`${event.containerId} ${event.type} ${event.podSandboxMetadata.uid}`);
  })();
  await expect.poll(() => [server.calls.length, server.eventStreams.length]).toEqual([2, 1]);
  state = 'SANDBOX_NOTREADY';
  server.eventStreams[0]?.write({ container_id: 's' });
  await expect.poll(() => seen).toEqual(['s CONTAINER_STOPPED_EVENT u']);
  cancel();
  await reading;
});
