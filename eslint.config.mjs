import { readdirSync, statSync } from 'node:fs';
import svelte from 'eslint-plugin-svelte';
import globals from 'globals';
import typescript from 'typescript-eslint';
import { anywhereRooms, arrows, electronRooms } from './test/architecture/arrows.mjs';

/** One block a room, made from the table of arrows: what is not allowed there is an error while typing. */
const roomRules = Object.keys(arrows).map((room) => {
  const allowed = arrows[room];
  const others = Object.keys(arrows).filter((other) => other !== room && !allowed.includes(other));
  const exceptions = allowed.filter((arrow) => arrow.includes('/'));
  const patterns = others.map((other) => ({
    group: [`#${other}/*`, `#${other}/**`, ...exceptions.filter((e) => e.startsWith(`${other}/`)).map((e) => `!#${e}`)],
    message: `${room} must not import ${other} (see test/architecture/arrows.mjs).`,
  }));
  if (!electronRooms.includes(room))
    patterns.push({ group: ['electron'], message: 'Only desktop and preload know Electron.' });
  if (anywhereRooms.includes(room)) patterns.push({ group: ['node:*'], message: `${room} runs anywhere.` });
  return {
    files: [`src-main/${room}/**/*.ts`],
    ignores: ['**/*.test.ts'],
    rules: { 'no-restricted-imports': ['error', { patterns }] },
  };
});

const timeAndChance = [
  { selector: "MemberExpression[object.name='Date'][property.name='now']", message: 'Take a Clock.' },
  { selector: "NewExpression[callee.name='Date'][arguments.length=0]", message: 'Take a Clock.' },
  { selector: "MemberExpression[object.name='Math'][property.name='random']", message: 'Take a Random.' },
  { selector: 'CallExpression[callee.name=/^(setTimeout|setInterval|setImmediate)$/]', message: 'Take a Clock.' },
];

export default typescript.config(
  { ignores: ['out/**', 'dist/**', 'src-main/api/gen/**', 'node_modules/**', 'node_modules', '**/globals.d.ts'] },
  {
    files: ['**/*.ts'],
    extends: [typescript.configs.base],
    languageOptions: {
      parserOptions: { project: ['./tsconfig.node.json', './tsconfig.test.json', './tsconfig.web.json'] },
    },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: false }],
      '@typescript-eslint/consistent-type-imports': [
        'error',
        { fixStyle: 'separate-type-imports', disallowTypeAnnotations: false },
      ],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/ban-ts-comment': 'error',
      'no-empty': 'error',
      eqeqeq: ['error', 'always'],
      'prefer-const': 'error',
      'no-var': 'error',
    },
  },
  ...roomRules,
  {
    files: ['src-main/**/*.ts'],
    ignores: ['src-main/base/**', '**/*.test.ts'],
    rules: { 'no-restricted-syntax': ['error', ...timeAndChance] },
  },
  {
    files: ['**/*.svelte', '**/*.svelte.ts'],
    extends: [svelte.configs['flat/recommended']],
    languageOptions: { parserOptions: { parser: typescript.parser }, globals: globals.browser },
    rules: {
      'svelte/no-at-html-tags': 'error',
      // It also flags maps that live inside one derivation and are thrown away; state uses SvelteMap by review.
      'svelte/prefer-svelte-reactivity': 'off',
    },
  },
  {
    files: ['**/*.mjs'],
    languageOptions: { globals: globals.node },
  },
);

// A room that is missing in the table would escape every rule above.
for (const name of readdirSync('src-main')) {
  if (statSync(`src-main/${name}`).isDirectory() && !(name in arrows)) throw new Error(`room without arrows: ${name}`);
}
