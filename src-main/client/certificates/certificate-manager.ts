import { Backoff } from '#base/backoff';
import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import { CancelledError, messageOf } from '#base/errors';
import type { Logger } from '#base/logger';
import type { Random } from '#base/random';
import type { KubeClient } from '../client.ts';
import { createCertificateRequest, isGoodFor, validityOf, type RequestedSubject } from './certificate-request.ts';
import type { CertificateAndKey, CertificateStore } from './certificate-store.ts';
import { requestCertificate } from './signing-request.ts';

export interface CertificateManagerOptions {
  /** For log lines: `client certificate`. */
  readonly name: string;
  readonly store: CertificateStore;
  readonly subject: RequestedSubject;
  readonly signerName: string;
  readonly usages: readonly string[];
  /** PEM: the authority certificates must come from. One of another authority is as good as none. */
  readonly ca: string;
  /** Whoever may ask for a certificate now. */
  readonly client: () => KubeClient;
  /** Called with each certificate that takes the place of another, or of none. */
  readonly onChange: (current: CertificateAndKey) => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Rotation comes after this share of a certificate's life, and at most `spread` of it later, as upstream jitters it. */
const rotateAfter = 0.7;
const spread = 0.2;

/**
 * Keeps one certificate good: asks for it, keeps it on disk, and asks for the next one long before it ends (client-go
 * `util/certificate`, release 1.36).
 */
export class CertificateManager {
  readonly #options: CertificateManagerOptions;
  #current: CertificateAndKey | undefined;

  constructor(options: CertificateManagerOptions) {
    this.#options = options;
    this.#current = this.#usable(options.store.read());
  }

  /** Undefined until there is one that is good now. */
  get current(): CertificateAndKey | undefined {
    return this.#current;
  }

  /** Resolves with the certificate at hand, or with the first one that the cluster gives. Tries until `context` ends. */
  async ensure(context: Context): Promise<CertificateAndKey> {
    return this.#current ?? this.#renew(context);
  }

  /** Rotates until `context` ends, then throws CancelledError. */
  async run(context: Context): Promise<never> {
    for (;;) {
      const current = await this.ensure(context);
      const { notBeforeMs, notAfterMs } = validityOf(current.certificate);
      const share = rotateAfter + spread * this.#options.random.next();
      const rotateMs = notBeforeMs + (notAfterMs - notBeforeMs) * share;
      await this.#options.clock.sleep(context, Math.max(0, rotateMs - this.#options.clock.now()));
      await this.#renew(context);
    }
  }

  async #renew(context: Context): Promise<CertificateAndKey> {
    const { clock, random, logger, name, store, onChange } = this.#options;
    const backoff = new Backoff({ initialMs: 200, factor: 1.6, maxMs: 10_000, jitter: 0.1 }, random);
    for (;;) {
      try {
        const renewed = await this.#request(context);
        store.write(renewed, clock.now());
        this.#current = renewed;
        logger.info(`${name} issued`, { until: new Date(validityOf(renewed.certificate).notAfterMs).toISOString() });
        onChange(renewed);
        return renewed;
      } catch (error) {
        context.check();
        const why = error instanceof CancelledError ? 'nobody approved the request in time' : messageOf(error);
        logger.warn(`no ${name} yet`, { error: why });
        await clock.sleep(context, backoff.next());
      }
    }
  }

  async #request(context: Context): Promise<CertificateAndKey> {
    const { client, clock, subject, signerName, usages } = this.#options;
    const { key, request } = await createCertificateRequest(subject);
    const certificate = await requestCertificate(context, client(), clock, { request, signerName, usages });
    return { certificate, key };
  }

  #usable(stored: CertificateAndKey | undefined): CertificateAndKey | undefined {
    const { subject, ca, clock } = this.#options;
    return stored && isGoodFor(stored, subject, ca, clock.now()) ? stored : undefined;
  }
}
