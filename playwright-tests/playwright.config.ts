/** Real browsers against a real tracker and origin. `cargo xtask test` runs this in a network namespace of its own. */

import { defineConfig } from '@playwright/test';

/** Without these, background pages are slowed down and WebRTC hides or lacks addresses. */
const chromiumFlags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--autoplay-policy=no-user-gesture-required',
  '--disable-background-timer-throttling',
  '--disable-backgrounding-occluded-windows',
  '--disable-renderer-backgrounding',
  '--disable-features=WebRtcHideLocalIpsWithMdns',
];

const report = process.env.PLAYWRIGHT_JSON_OUTPUT_FILE;

export default defineConfig({
  // Four to six playing pages are what two cores can do: one test at a time.
  workers: 1,
  fullyParallel: false,
  retries: 0,
  // Virtual machines stand still for long moments: tests end on events, these limits only stop a hanging one.
  timeout: 240_000,
  expect: { timeout: 30_000 },
  forbidOnly: true,
  reporter: report ? [['list'], ['json', { outputFile: report }]] : [['list']],
  use: {
    browserName: 'chromium',
    launchOptions: {
      executablePath: process.env.SHOAL_CHROMIUM ?? '/usr/bin/chromium',
      args: chromiumFlags,
    },
  },
  projects: [
    { name: 'tests', testDir: 'tests' },
    { name: 'pictures', testDir: 'pictures', testMatch: '*.ts', timeout: 600_000 },
    { name: 'benches', testDir: 'benches', testMatch: '*.bench.ts', timeout: 600_000 },
  ],
});
