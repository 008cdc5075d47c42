import { stream, tableCodec, unary, type Served } from './call.ts';
import { GrpcError } from './grpc/status.ts';
import type { HealthCheckMessage } from './messages.ts';
import { methods } from './methods.ts';

const serving = { status: 1 } as const;

/** gRPC's health check (`grpc.health.v1`). As in etcd it knows of one service, the whole server. */
export function healthService(): Served[] {
  const { check, watch } = methods.health;
  return [
    unary(check, tableCodec<HealthCheckMessage>(check), ({ endedBy }, { service }) =>
      service === '' && endedBy === undefined
        ? Promise.resolve(serving)
        : Promise.reject(new GrpcError('NOT_FOUND', 'unknown service')),
    ),
    stream(watch, tableCodec<HealthCheckMessage>(watch), ({ context, send }) => ({
      receive: async ({ service }) => send({ status: service === '' ? serving.status : unknownService }),
      finish: () =>
        new Promise((resolve) => {
          context.onEnd(resolve);
        }),
    })),
  ];
}

const unknownService = 3;
