// Opens a page in headless Chromium and waits until it says it is done: node browser.mjs PAGE_URL CHROMIUM
import { chromium } from 'playwright-core';

const [page_url, executablePath] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath,
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
    '--disable-sync'],
});
const page = await browser.newPage();
const talk = [];
page.on('console', (message) => talk.push(message.text()));
page.on('pageerror', (error) => talk.push(String(error)));
try {
  await page.goto(page_url);
  await page.waitForFunction('window.interopDone === true', undefined, { timeout: 20000 });
} catch (error) {
  console.error(String(error));
  console.error(talk.join('\n'));
  process.exitCode = 1;
} finally {
  await browser.close();
}
