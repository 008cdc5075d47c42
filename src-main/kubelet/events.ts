import type { Container, Pod } from '#api/gen/types';
import type { EventRecorder } from '#client/client';
import { containerFieldPath, formatPod } from './pod-facts.ts';

/** The kubelet's events about pods, in upstream's words (pkg/kubelet/events and its users, release 1.36). */
export class PodEvents {
  readonly #recorder: EventRecorder;

  constructor(recorder: EventRecorder) {
    this.#recorder = recorder;
  }

  pod(pod: Pod, type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.#recorder.event(pod, type, reason, message);
  }

  #about(pod: Pod, container: Container, type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.#recorder.event(pod, type, reason, message, undefined, containerFieldPath(pod, container.name));
  }

  pulling(pod: Pod, container: Container): void {
    this.#about(pod, container, 'Normal', 'Pulling', `Pulling image "${container.image ?? ''}"`);
  }

  pulled(pod: Pod, container: Container, pullMs: number, waitedMs: number, sizeBytes: number): void {
    const text = `Successfully pulled image "${container.image ?? ''}" in ${formatDuration(pullMs)} (${formatDuration(waitedMs)} including waiting). Image size: ${sizeBytes} bytes.`;
    this.#about(pod, container, 'Normal', 'Pulled', text);
  }

  present(pod: Pod, container: Container): void {
    const text = `Container image "${container.image ?? ''}" already present on machine and can be accessed by the pod`;
    this.#about(pod, container, 'Normal', 'Pulled', text);
  }

  pullFailed(pod: Pod, container: Container, error: string): void {
    this.#about(pod, container, 'Warning', 'Failed', `Failed to pull image "${container.image ?? ''}": ${error}`);
  }

  pullBackOff(pod: Pod, container: Container): void {
    this.#about(pod, container, 'Normal', 'BackOff', `Back-off pulling image "${container.image ?? ''}"`);
  }

  neverPull(pod: Pod, container: Container): void {
    const text = `Container image "${container.image ?? ''}" is not present with pull policy of Never`;
    this.#about(pod, container, 'Warning', 'ErrImageNeverPull', text);
  }

  invalidImage(pod: Pod, container: Container, message: string): void {
    this.#about(pod, container, 'Warning', 'InspectFailed', message);
  }

  failed(pod: Pod, container: Container, message: string): void {
    this.#about(pod, container, 'Warning', 'Failed', `Error: ${message}`);
  }

  created(pod: Pod, container: Container): void {
    this.#about(pod, container, 'Normal', 'Created', 'Container created');
  }

  started(pod: Pod, container: Container): void {
    this.#about(pod, container, 'Normal', 'Started', 'Container started');
  }

  crashBackOff(pod: Pod, container: Container): void {
    const text = `Back-off restarting failed container ${container.name} in pod ${formatPod(pod)}`;
    this.#about(pod, container, 'Warning', 'BackOff', text);
  }

  killing(pod: Pod, container: Container, why = ''): void {
    this.#about(pod, container, 'Normal', 'Killing', why || `Stopping container ${container.name}`);
  }

  unhealthy(pod: Pod, container: Container, message: string): void {
    this.#about(pod, container, 'Warning', 'Unhealthy', message);
  }

  hookFailed(pod: Pod, container: Container, hook: 'PostStart' | 'PreStop', message: string): void {
    this.#about(pod, container, 'Warning', `Failed${hook}Hook`, message);
  }
}

/** Go's `time.Duration` rounded to milliseconds: `1.234s`, `87ms`, `2m3s`. */
export function formatDuration(milliseconds: number): string {
  const ms = Math.round(milliseconds);
  if (ms < 1000) return ms === 0 ? '0s' : `${ms}ms`;
  const seconds = ms / 1000;
  if (seconds < 60) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  const rest = `${Number((seconds - minutes * 60).toFixed(3))}s`;
  return minutes < 60 ? `${minutes}m${rest}` : `${Math.floor(minutes / 60)}h${minutes % 60}m${rest}`;
}
