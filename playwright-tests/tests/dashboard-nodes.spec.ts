/** The dashboard of one node shows the whole cluster. */

import { managed, signIn } from '../fixtures/operator';
import { expect, test } from '../fixtures/test';

test('the dashboard shows all nodes of a cluster, for as long as they live', async ({
  stage,
  cluster,
  openViewer,
  browser,
  cleanUp,
  scratch,
}) => {
  const nodes = await cluster(2, await managed(scratch));
  const tracker = nodes.node(1).url;
  const viewer = await openViewer(await stage('vod'), { surface: 'native', config: { tracker } });
  await viewer.waitForEvent('tracker', { state: 'joined', url: tracker });
  const context = await browser.newContext({ viewport: { width: 360, height: 800 } });
  cleanUp(() => context.close());
  const page = await context.newPage();
  await signIn(page, nodes.node(0).management);
  const rows = page.locator('#node-table tbody tr');
  await expect(rows).toHaveText([/\(this one\)000$/, /^[0-9a-f]{32}1[1-9]1$/]);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  expect(wide, 'no scrolling to the side').toBeLessThanOrEqual(360);
  await nodes.node(1).kill();
  await expect(rows).toHaveText([/\(this one\)000$/]);
  await nodes.engine.kill();
  await expect(page.locator('#node-table')).toContainText('this one is without the engine');
});
