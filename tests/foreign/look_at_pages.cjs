// Opens pages in Chromium as a person has them (desktop and phone, light and dark, printed) and
// writes what is wrong with each as JSON: violations that axe finds, requests that leave the page,
// anything that was run, and what is wider than the screen. Leaves a screenshot of each.
//
//   node look_at_pages.cjs <chromium> <folder for screenshots> <page>…
//
// puppeteer-core and axe-core are found by NODE_PATH.
'use strict';

const fs = require('fs');
const path = require('path');
const puppeteer = require('puppeteer-core');

const AXE = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const SCREENS = [
  { name: 'desktop', width: 1280, height: 900 },
  { name: 'phone', width: 390, height: 844, isMobile: true, hasTouch: true },
];

// A busy machine is no mistake of a page.
const PATIENCE = 180000;

async function open(browser) {
  const page = await browser.newPage();
  page.setDefaultTimeout(PATIENCE);
  return page;
}

async function look(browser, file, out) {
  const name = path.basename(file, '.html');
  const wrong = [];
  for (const { name: screen, ...viewport } of SCREENS) {
    for (const scheme of ['light', 'dark']) {
      // Colours do not depend on the screen: without pictures each is looked at once.
      if (!out && (screen === 'phone') !== (scheme === 'dark')) continue;
      const page = await open(browser);
      const where = `${screen}, ${scheme}`;
      page.on('request', (request) => {
        if (request.url() !== `file://${file}`) wrong.push(`${where}: it asked for ${request.url()}`);
      });
      page.on('dialog', async (dialog) => {
        wrong.push(`${where}: a script ran: ${dialog.message()}`);
        await dialog.dismiss();
      });
      await page.setViewport(viewport);
      await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
      await page.goto(`file://${file}`);
      if (out) await page.screenshot({ path: path.join(out, `${name}-${screen}-${scheme}.png`), fullPage: true });
      // Everything that a person can open is looked at, too.
      await page.evaluate(() => document.querySelectorAll('details').forEach((one) => { one.open = true; }));
      const width = await page.evaluate(() => document.documentElement.scrollWidth);
      if (width > viewport.width) wrong.push(`${where}: ${width} pixels wide on ${viewport.width}`);
      const scripts = await page.evaluate(() => document.scripts.length);
      if (scripts > 0) wrong.push(`${where}: it has ${scripts} scripts`);
      await page.evaluate(AXE);
      const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
      for (const { id, help, nodes } of found.violations) {
        wrong.push(`${where}: axe ${id}: ${help}: ${nodes[0].html.slice(0, 200)} (${nodes.length})`);
      }
      await page.close();
    }
  }
  const page = await open(browser);
  page.on('dialog', (dialog) => dialog.dismiss());
  await page.goto(`file://${file}`);
  const printed = await page.pdf({ format: 'a4' });
  if (out) fs.writeFileSync(path.join(out, `${name}.pdf`), printed);
  // The keyboard reaches every link and everything that opens.
  const reach = await page.evaluate(() => document.querySelectorAll('a[href], summary, [tabindex]').length);
  const reached = new Set();
  for (let press = 0; press < reach + 1; press += 1) {
    await page.keyboard.press('Tab');
    reached.add(await page.evaluate(() => {
      const all = [...document.querySelectorAll('a[href], summary, [tabindex]')];
      return all.indexOf(document.activeElement);
    }));
  }
  reached.delete(-1);
  const hidden = await page.evaluate(() =>
    [...document.querySelectorAll('a[href], summary, [tabindex]')].filter((one) => !one.checkVisibility()).length);
  if (reached.size !== reach - hidden) wrong.push(`the keyboard reaches ${reached.size} of ${reach - hidden}`);
  await page.close();
  return { name, bytes: fs.statSync(file).size, wrong };
}

(async () => {
  const [executablePath, out, ...files] = process.argv.slice(2);
  const looked = [];
  const queue = [...files.entries()];
  // Each has a browser of its own: a page in the background is not drawn and has no focus.
  const take = async () => {
    const browser = await puppeteer.launch({
      executablePath, headless: true, protocolTimeout: PATIENCE, args: ['--no-sandbox', '--disable-gpu'],
    });
    for (let next = queue.shift(); next; next = queue.shift()) {
      looked[next[0]] = await look(browser, path.resolve(next[1]), out === '-' ? null : out);
    }
    await browser.close();
  };
  await Promise.all([take(), take()]);
  console.log(JSON.stringify(looked));
})().catch((error) => { console.error(error); process.exit(1); });
