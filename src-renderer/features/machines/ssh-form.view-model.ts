import type { SshAuth, SshHop, SshProbe, SshTarget } from '#contract/machines';

/** What the form of one hop holds. */
export interface HopForm {
  readonly host: string;
  readonly port: string;
  readonly user: string;
  readonly kind: SshAuth['kind'];
  readonly path: string;
  readonly passphrase: string;
  readonly password: string;
}

export const emptyHop: HopForm = {
  host: '',
  port: '22',
  user: '',
  kind: 'key',
  path: '~/.ssh/id_ed25519',
  passphrase: '',
  password: '',
};

/** The first thing that is missing or wrong; undefined when the hop can be tried. */
export function hopProblem({ host, port, user, kind, path, password }: HopForm): string | undefined {
  if (host.trim() === '') return 'say which host';
  if (!/^[A-Za-z0-9]([-.:A-Za-z0-9_]*[A-Za-z0-9])?$/.test(host.trim())) return 'that is no host name or address';
  if (!(Number(port) >= 1 && Number(port) <= 65535)) return 'ports are 1 to 65535';
  if (user.trim() === '') return 'say which user';
  if (kind === 'key' && path.trim() === '') return 'say where the key is';
  if (kind === 'password' && password === '') return 'say the password';
  return undefined;
}

function authOf({ kind, path, passphrase, password }: HopForm): SshAuth {
  if (kind === 'agent') return { kind };
  if (kind === 'password') return { kind, password };
  return { kind, path: path.trim(), ...(passphrase === '' ? {} : { passphrase }) };
}

function hopOf(form: HopForm, hostKey: string | undefined): SshHop {
  const { host, port, user } = form;
  const where = { host: host.trim(), port: Number(port), user: user.trim(), auth: authOf(form) };
  return { ...where, ...(hostKey === undefined ? {} : { hostKey }) };
}

/** Fingerprints that the person has trusted, by where they were shown. */
export interface TrustedKeys {
  readonly target?: string;
  readonly jump?: string;
}

/** `archive`: what is typed as the path of one; nothing for a machine that reaches a mirror. */
export function targetOf(
  form: HopForm,
  jump: HopForm | undefined,
  trusted: TrustedKeys,
  archive: string = '',
): SshTarget {
  return {
    ...hopOf(form, trusted.target),
    ...(jump ? { jump: hopOf(jump, trusted.jump) } : {}),
    ...(archive.trim() === '' ? {} : { archive: archive.trim() }),
  };
}

/** What the person has to do next with what a test found. */
export type ProbeStep =
  | {
      readonly step: 'trust';
      readonly which: 'target' | 'jump';
      readonly algorithm: string;
      readonly fingerprint: string;
    }
  | { readonly step: 'add'; readonly blocked: boolean };

export function nextStep(probe: SshProbe): ProbeStep {
  const { jumpHostKey, hostKey } = probe;
  if (jumpHostKey && !jumpHostKey.trusted) return { step: 'trust', which: 'jump', ...jumpHostKey };
  if (hostKey && !hostKey.trusted) return { step: 'trust', which: 'target', ...hostKey };
  return { step: 'add', blocked: !probe.facts || probe.missing.some((one) => !one.installable) };
}
