import type { CatalogueImage } from './image-catalogue.ts';

const MB = 1_000_000;
const path = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' };

const alpineRelease =
  'NAME="Alpine Linux"\nID=alpine\nVERSION_ID=3.22.1\nPRETTY_NAME="Alpine Linux v3.22"\nHOME_URL="https://alpinelinux.org/"\n';
const debianRelease =
  'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian GNU/Linux"\nVERSION_ID="12"\nVERSION="12 (bookworm)"\nVERSION_CODENAME=bookworm\nID=debian\n';
const ubuntuRelease =
  'PRETTY_NAME="Ubuntu 24.04.3 LTS"\nNAME="Ubuntu"\nVERSION_ID="24.04"\nVERSION="24.04.3 LTS (Noble Numbat)"\nVERSION_CODENAME=noble\nID=ubuntu\nID_LIKE=debian\n';

export const nginxWelcome = `<!DOCTYPE html>
<html>
<head>
<title>Welcome to nginx!</title>
<style>
html { color-scheme: light dark; }
body { width: 35em; margin: 0 auto;
font-family: Tahoma, Verdana, Arial, sans-serif; }
</style>
</head>
<body>
<h1>Welcome to nginx!</h1>
<p>If you see this page, the nginx web server is successfully installed and
working. Further configuration is required.</p>

<p>For online documentation and support please refer to
<a href="http://nginx.org/">nginx.org</a>.<br/>
Commercial support is available at
<a href="http://nginx.com/">nginx.com</a>.</p>

<p><em>Thank you for using nginx.</em></p>
</body>
</html>
`;

function nginxFiles(port: number): Readonly<Record<string, string>> {
  const site = `server {\n    listen       ${port};\n    server_name  localhost;\n\n    location / {\n        root   /usr/share/nginx/html;\n        index  index.html index.htm;\n    }\n}\n`;
  return { '/usr/share/nginx/html/index.html': nginxWelcome, '/etc/nginx/conf.d/default.conf': site };
}

/** Tags of the form `latest`, `<major>`, `<major>.<minor>`, `<major>.<minor>.<patch>`, each with an optional variant. */
function tags(versions: string, variants = ''): RegExp {
  const variant = variants === '' ? '' : `(?:-(?:${variants}))?`;
  const bare = variants === '' ? '' : `|${variants}`;
  return new RegExp(`^(?:latest|(?:${versions})${variant}${bare})$`);
}

const debianVariants = 'alpine|alpine3\\.\\d+|bookworm|trixie|slim|slim-bookworm|slim-trixie|bullseye|slim-bullseye';
const anyVersion = 'v?\\d{1,2}(?:\\.\\d{1,2}){0,2}';

/** Images a simulated node can pull. Sizes are those of linux/amd64, compressed, as registries report them. */
export const defaultImages: readonly CatalogueImage[] = [
  {
    repository: 'busybox',
    tags: tags('1|1\\.(?:2[6-9]|3[0-7])(?:\\.\\d)?|stable|unstable', 'glibc|musl|uclibc'),
    sizeBytes: 2_223_679,
    entrypoint: [],
    cmd: ['sh'],
    env: { PATH: path.PATH },
    userland: 'busybox',
  },
  {
    repository: 'alpine',
    tags: tags('edge|3|3\\.(?:[89]|1\\d|2[0-3])(?:\\.\\d{1,2})?'),
    sizeBytes: 3_802_452,
    entrypoint: [],
    cmd: ['/bin/sh'],
    env: path,
    userland: 'busybox',
    osRelease: alpineRelease,
  },
  {
    repository: 'debian',
    tags: tags('stable|testing|sid|oldstable|trixie|bookworm|bullseye|1[1-3](?:\\.\\d{1,2})?', 'slim|backports'),
    sizeBytes: 48_480_000,
    entrypoint: [],
    cmd: ['bash'],
    env: path,
    userland: 'debian',
    osRelease: debianRelease,
  },
  {
    repository: 'ubuntu',
    tags: tags('(?:1[68]|2[0246])\\.04|2[345]\\.10|jammy|noble|focal|rolling|devel'),
    sizeBytes: 29_725_000,
    entrypoint: [],
    cmd: ['/bin/bash'],
    env: path,
    userland: 'debian',
    osRelease: ubuntuRelease,
  },
  {
    repository: 'nginx',
    tags: tags(
      '1|1\\.(?:[7-9]|1\\d|2\\d)(?:\\.\\d{1,2})?|stable|mainline',
      `${debianVariants}|perl|alpine-slim|alpine-perl|bookworm-perl|otel|alpine-otel`,
    ),
    sizeBytes: 72_326_000,
    entrypoint: ['/docker-entrypoint.sh'],
    cmd: ['nginx', '-g', 'daemon off;'],
    env: { ...path, NGINX_VERSION: '1.27.5', PKG_RELEASE: '1~bookworm' },
    userland: 'debian',
    binaries: { '/docker-entrypoint.sh': 'docker-entrypoint', '/usr/sbin/nginx': 'nginx', '/usr/bin/curl': 'curl' },
    osRelease: debianRelease,
    files: nginxFiles(80),
  },
  {
    repository: 'nginxinc/nginx-unprivileged',
    tags: tags('1|1\\.(?:1\\d|2\\d)(?:\\.\\d{1,2})?|stable|mainline', `${debianVariants}|alpine-slim`),
    sizeBytes: 72_400_000,
    entrypoint: ['/docker-entrypoint.sh'],
    cmd: ['nginx', '-g', 'daemon off;'],
    env: { ...path, NGINX_VERSION: '1.27.5', NGINX_PORT: '8080' },
    user: 101,
    userland: 'debian',
    binaries: { '/docker-entrypoint.sh': 'docker-entrypoint', '/usr/sbin/nginx': 'nginx', '/usr/bin/curl': 'curl' },
    osRelease: debianRelease,
    files: nginxFiles(8080),
  },
  {
    repository: 'nginxdemos/hello',
    tags: tags('0\\.\\d|plain-text', 'plain-text'),
    sizeBytes: 17_600_000,
    entrypoint: ['/docker-entrypoint.sh'],
    cmd: ['nginx-hello'],
    env: path,
    userland: 'busybox',
    binaries: { '/docker-entrypoint.sh': 'docker-entrypoint', '/usr/sbin/nginx-hello': 'nginx-hello' },
    osRelease: alpineRelease,
  },
  {
    repository: 'httpd',
    tags: tags('2|2\\.[24](?:\\.\\d{1,2})?', debianVariants),
    sizeBytes: 45_200_000,
    entrypoint: [],
    cmd: ['httpd-foreground'],
    env: { PATH: `/usr/local/apache2/bin:${path.PATH}`, HTTPD_PREFIX: '/usr/local/apache2' },
    workingDir: '/usr/local/apache2',
    userland: 'debian',
    binaries: { '/usr/local/bin/httpd-foreground': 'httpd', '/usr/local/apache2/bin/httpd': 'httpd' },
    osRelease: debianRelease,
    files: { '/usr/local/apache2/htdocs/index.html': '<html><body><h1>It works!</h1></body></html>\n' },
  },
  {
    repository: 'python',
    tags: tags('3|3\\.(?:[7-9]|1[0-5])(?:\\.\\d{1,2})?', debianVariants),
    sizeBytes: 412_000 * 1000,
    entrypoint: [],
    cmd: ['python3'],
    env: { PATH: path.PATH, LANG: 'C.UTF-8', PYTHON_VERSION: '3.13.7' },
    userland: 'debian',
    binaries: { '/usr/local/bin/python3': 'python3', '/usr/local/bin/python': 'python3', '/usr/bin/curl': 'curl' },
    osRelease: debianRelease,
  },
  {
    repository: 'redis',
    tags: tags('[4-8]|[4-8]\\.\\d(?:\\.\\d{1,2})?', debianVariants),
    sizeBytes: 52_500_000,
    entrypoint: ['docker-entrypoint.sh'],
    cmd: ['redis-server'],
    env: path,
    workingDir: '/data',
    userland: 'debian',
    binaries: {
      '/usr/local/bin/docker-entrypoint.sh': 'docker-entrypoint',
      '/usr/local/bin/redis-server': 'redis-server',
      '/usr/local/bin/redis-cli': 'redis-cli',
    },
    osRelease: debianRelease,
  },
  {
    repository: 'registry.k8s.io/pause',
    tags: /^(?:latest|3|3\.\d{1,2}(?:\.\d)?)$/,
    sizeBytes: 319_178,
    entrypoint: ['/pause'],
    cmd: [],
    env: path,
    user: 65535,
    userland: 'none',
    binaries: { '/pause': 'pause' },
  },
  {
    repository: 'registry.k8s.io/coredns/coredns',
    tags: /^v1\.\d{1,2}\.\d{1,2}$/,
    sizeBytes: 22_385_000,
    entrypoint: ['/coredns'],
    cmd: [],
    env: path,
    userland: 'none',
    binaries: { '/coredns': 'coredns' },
  },
  {
    repository: 'registry.k8s.io/e2e-test-images/agnhost',
    tags: /^(?:latest|2\.\d{1,2}(?:\.\d)?)$/,
    sizeBytes: 51_100_000,
    entrypoint: ['/agnhost'],
    cmd: ['pause'],
    env: path,
    userland: 'busybox',
    binaries: { '/agnhost': 'agnhost', '/usr/bin/curl': 'curl' },
    osRelease: alpineRelease,
  },
  {
    repository: 'registry.k8s.io/e2e-test-images/busybox',
    tags: /^1\.\d{2}(?:\.\d)?-\d$/,
    sizeBytes: 2_200_000,
    entrypoint: [],
    cmd: ['sh'],
    env: path,
    userland: 'busybox',
  },
  {
    repository: 'registry.k8s.io/e2e-test-images/nginx',
    tags: /^1\.\d{2}-\d(?:-alpine)?$/,
    sizeBytes: 53_600_000,
    entrypoint: ['nginx'],
    cmd: ['-g', 'daemon off;'],
    env: path,
    userland: 'debian',
    binaries: { '/usr/sbin/nginx': 'nginx', '/usr/bin/curl': 'curl' },
    files: nginxFiles(80),
  },
  {
    repository: 'registry.k8s.io/nginx-slim',
    tags: /^0\.\d{1,2}$/,
    sizeBytes: 40_000_000,
    entrypoint: ['nginx'],
    cmd: ['-g', 'daemon off;'],
    env: path,
    userland: 'debian',
    binaries: { '/usr/sbin/nginx': 'nginx', '/usr/bin/curl': 'curl' },
    osRelease: debianRelease,
    files: nginxFiles(80),
  },
  {
    repository: 'registry.k8s.io/echoserver',
    tags: /^1\.\d{1,2}$/,
    sizeBytes: 43_000_000,
    entrypoint: ['echoserver'],
    cmd: [],
    env: path,
    userland: 'debian',
    binaries: { '/usr/local/bin/echoserver': 'echoserver' },
  },
  {
    repository: 'hashicorp/http-echo',
    tags: tags('[01]|[01]\\.\\d|[01]\\.\\d\\.\\d'),
    sizeBytes: 3_200_000,
    entrypoint: ['/http-echo'],
    cmd: [],
    env: path,
    user: 65532,
    userland: 'none',
    binaries: { '/http-echo': 'http-echo' },
  },
  {
    repository: 'traefik/whoami',
    tags: tags('v1|v1\\.\\d{1,2}(?:\\.\\d)?'),
    sizeBytes: 2_900_000,
    entrypoint: ['/whoami'],
    cmd: [],
    env: path,
    userland: 'none',
    binaries: { '/whoami': 'whoami-server' },
  },
  {
    repository: 'curlimages/curl',
    tags: tags('[78]\\.\\d{1,3}\\.\\d'),
    sizeBytes: 10_300_000,
    entrypoint: ['/entrypoint.sh'],
    cmd: ['curl'],
    env: path,
    user: 100,
    userland: 'busybox',
    binaries: { '/entrypoint.sh': 'docker-entrypoint', '/usr/bin/curl': 'curl' },
    osRelease: alpineRelease,
  },
  {
    repository: 'gcr.io/google-samples/hello-app',
    tags: /^[12]\.0$/,
    sizeBytes: 11 * MB,
    entrypoint: ['./hello-app'],
    cmd: [],
    env: path,
    userland: 'none',
    binaries: { '/hello-app': 'hello-app' },
  },
  {
    repository: 'gcr.io/google-samples/kubernetes-bootcamp',
    tags: /^v[12]$/,
    sizeBytes: 84 * MB,
    entrypoint: [],
    cmd: ['kubernetes-bootcamp'],
    env: path,
    userland: 'debian',
    binaries: { '/usr/local/bin/kubernetes-bootcamp': 'kubernetes-bootcamp', '/usr/bin/curl': 'curl' },
    osRelease: debianRelease,
  },
  {
    repository: 'gcr.io/google_containers/pause',
    tags: new RegExp(`^(?:latest|${anyVersion})$`),
    sizeBytes: 319_178,
    entrypoint: ['/pause'],
    cmd: [],
    env: path,
    userland: 'none',
    binaries: { '/pause': 'pause' },
  },
];
