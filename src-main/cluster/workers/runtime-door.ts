import { CriError, type ImageService, type RuntimeService } from '#cri/cri';

/**
 * The socket between a kubelet and its simulated runtime. While it is shut every call fails as when containerd is dead:
 * containers go on, nobody can be asked about them.
 */
export class RuntimeDoor {
  readonly runtime: RuntimeService & ImageService;
  #shut = false;

  constructor(runtime: RuntimeService & ImageService) {
    this.runtime = new Proxy(runtime, {
      get: (target, name): unknown => {
        const member: unknown = Reflect.get(target, name, target);
        if (typeof member !== 'function') return member;
        // Who listens to events goes on listening: there are none while nothing can be changed.
        const refused = (): boolean => this.#shut && name !== 'getContainerEvents';
        return (...args: readonly unknown[]): unknown =>
          refused() ? Promise.reject(unavailable()) : Reflect.apply(member, target, args);
      },
    });
  }

  shut(): void {
    this.#shut = true;
  }

  open(): void {
    this.#shut = false;
  }
}

function unavailable(): CriError {
  return new CriError('Unavailable', 'connection error: dial unix /run/containerd/containerd.sock: connection refused');
}
