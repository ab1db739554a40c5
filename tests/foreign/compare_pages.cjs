// Opens pages in Chromium on a desktop and on a phone, and compares them with the pictures that a
// person has approved. Writes as JSON where each differs.
//
//   node compare_pages.cjs <chromium> <folder of approved pictures> <folder for others> <page>…
//
// With UPDATE set it writes the approved pictures. A page `x+change.html` is compared with those of
// `x`. puppeteer-core and dejavu-fonts-ttf are found by NODE_PATH.
//
// Machines have different fonts, so the page gets fonts that are part of the test. Versions of
// Chromium still place a line a pixel further down and smooth letters in another way: so a tile
// that differs is looked for a few pixels away, and must differ by more than the edges of letters.
'use strict';

const fs = require('fs');
const path = require('path');
const puppeteer = require('puppeteer-core');

const font = (file, family, weight) => {
  const bytes = fs.readFileSync(require.resolve(`dejavu-fonts-ttf/ttf/${file}.ttf`));
  return `@font-face { font-family: ${family}; font-weight: ${weight};
    src: url(data:font/ttf;base64,${bytes.toString('base64')}) }`;
};
const STYLE = [
  font('DejaVuSans', 'approved', 400),
  font('DejaVuSans-Bold', 'approved', 700),
  font('DejaVuSansMono', 'approved-mono', 400),
  'body { font-family: approved !important } code, pre { font-family: approved-mono !important }',
].join('\n');

const SCREENS = [
  { name: 'desktop', scheme: 'light', width: 1280, height: 900 },
  { name: 'phone', scheme: 'dark', width: 390, height: 844, isMobile: true, hasTouch: true },
];

// In a page of its own: pictures are read by the browser that has drawn them.
async function differences(approved, drawn) {
  const SIDE = 32, DOWN = 10, ASIDE = 3, COLOUR = 64, SHARE = 0.08;
  const read = async (url) => {
    const image = new Image();
    image.src = url;
    await image.decode();
    const [width, height] = [image.width >> 1, image.height >> 1];
    const context = new OffscreenCanvas(width, height).getContext('2d');
    context.imageSmoothingQuality = 'high';
    context.drawImage(image, 0, 0, width, height);
    return { width, height, data: context.getImageData(0, 0, width, height).data };
  };
  const [a, b] = [await read(approved), await read(drawn)];
  const found = [];
  if (a.width !== b.width || Math.abs(a.height - b.height) > a.height / 50) {
    found.push(`it is ${b.width * 2} by ${b.height * 2} pixels, not ${a.width * 2} by ${a.height * 2}`);
  }
  const differs = (x, y, dx, dy) => {
    let count = 0, all = 0;
    for (let row = y; row < Math.min(y + SIDE, a.height); row += 1) {
      for (let column = x; column < Math.min(x + SIDE, a.width); column += 1) {
        const there = Math.min(Math.max(row + dy, 0), b.height - 1);
        const aside = Math.min(Math.max(column + dx, 0), b.width - 1);
        const [p, q] = [4 * (row * a.width + column), 4 * (there * b.width + aside)];
        const most = Math.max(
          Math.abs(a.data[p] - b.data[q]),
          Math.abs(a.data[p + 1] - b.data[q + 1]),
          Math.abs(a.data[p + 2] - b.data[q + 2]),
        );
        all += 1;
        if (most > COLOUR) count += 1;
      }
    }
    return count / all > SHARE;
  };
  const isElsewhere = (x, y) => {
    for (let dy = -DOWN; dy <= DOWN; dy += 1) {
      for (let dx = -ASIDE; dx <= ASIDE; dx += 1) {
        if (!differs(x, y, dx, dy)) return true;
      }
    }
    return false;
  };
  for (let y = 0; y < a.height; y += SIDE) {
    for (let x = 0; x < a.width; x += SIDE) {
      if (differs(x, y, 0, 0) && !isElsewhere(x, y)) found.push(`at ${x * 2}, ${y * 2}`);
    }
  }
  return found;
}

async function draw(browser, file, { name, scheme, ...viewport }) {
  const page = await browser.newPage();
  await page.setBypassCSP(true);
  await page.setViewport(viewport);
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
  await page.goto(`file://${path.resolve(file)}`);
  await page.addStyleTag({ content: STYLE });
  await page.evaluate(() => document.fonts.ready.then(() => null));
  // A tenth of a PNG's size, so that all of them can stand in the repository.
  const picture = await page.screenshot({ type: 'webp', quality: 15, fullPage: true });
  await page.close();
  return Buffer.from(picture);
}

(async () => {
  const [executablePath, approved, out, ...files] = process.argv.slice(2);
  const browser = await puppeteer.launch({
    executablePath, headless: true, protocolTimeout: 180000,
    args: ['--no-sandbox', '--disable-gpu', '--disable-lcd-text', '--font-render-hinting=none',
      '--force-color-profile=srgb', '--hide-scrollbars', ...(process.env.CHROMIUM_FLAGS || '').split(' ')],
  });
  const compared = [];
  for (const file of files) {
    const page = path.basename(file, '.html');
    const wrong = [];
    for (const screen of SCREENS) {
      const golden = path.join(approved, `${page.split('+')[0]}-${screen.name}.webp`);
      const picture = await draw(browser, file, screen);
      if (process.env.UPDATE && !page.includes('+')) fs.writeFileSync(golden, picture);
      if (!fs.existsSync(golden)) {
        wrong.push(`${screen.name}: nobody has approved ${path.basename(golden)}`);
        continue;
      }
      const blank = await browser.newPage();
      const url = (bytes) => `data:image/webp;base64,${bytes.toString('base64')}`;
      const found = await blank.evaluate(differences, url(fs.readFileSync(golden)), url(picture));
      await blank.close();
      if (found.length > 0) {
        fs.writeFileSync(path.join(out, `${page}-${screen.name}.webp`), picture);
        wrong.push(`${screen.name}: ${found.length} differences: ${found.slice(0, 5).join('; ')}`);
      }
    }
    compared.push({ name: page, wrong });
  }
  await browser.close();
  console.log(JSON.stringify(compared));
})().catch((error) => { console.error(error); process.exit(1); });
