import { rmSync } from 'node:fs';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dockerProgram } from '../harness/docker.ts';
import { drydock, temporaryHome } from '../harness/lab.ts';
import { electronProgram, namespacesProgram, skipWithout, xvfbProgram } from '../harness/programs.ts';
import { launchDesktop, type Desktop } from './desktop.ts';
import { guardRoutes, leftOf, removeAll } from './docker-lab.ts';
import {
  createDockerLab,
  cutLink,
  deployTalkers,
  expectRealContainer,
  healAll,
  readTruths,
  Shell,
} from './docker-scenario.ts';
import { watchConsole } from './scenario.ts';

const program = electronProgram();

describe.skipIf(skipWithout(program, xvfbProgram, dockerProgram(), namespacesProgram))(
  'real nodes, in the desktop app in real Electron',
  () => {
    const home = temporaryHome();
    let desktop: Desktop | undefined;
    let page: Page;
    let complaints: string[];

    beforeAll(async () => {
      guardRoutes();
      desktop = await launchDesktop(program.path ?? '', home);
      page = await desktop.app.firstWindow();
      complaints = watchConsole(page);
      await page.getByTestId('empty-home').waitFor();
    });

    afterAll(async () => {
      try {
        await desktop?.close();
      } finally {
        removeAll(home);
        rmSync(home, { recursive: true, force: true });
      }
    });

    it('creates a lab of Docker nodes and opens a terminal into a real container', async () => {
      const steps = await createDockerLab(page, 'quay');
      expect(steps).toContainEqual(expect.stringMatching(/^Starting worker-2\|running\|worker-2\|/));
      await deployTalkers(page);
      const shell = await Shell.open(page, 'worker-1');
      await expectRealContainer(shell);
      await shell.close();
    });

    it('cuts a node from the API server, shows two truths, and heals', async () => {
      await cutLink(page, 'worker-1', 'worker-2');
      await cutLink(page, 'worker-2', 'api');
      await readTruths(page, 'worker-2', /node Ready, \d pods? Running/);
      await healAll(page, 2);
    });

    it('leaves nothing of a lab that is deleted', async () => {
      expect((await drydock(['down', '--name', 'quay', '--delete', '--home', home])).code).toBe(0);
      expect(leftOf(home)).toEqual([]);
    });

    it('complained of nothing', () => {
      expect(complaints).toEqual([]);
    });
  },
);
