// Walks through Django's admin as a person does, in a headless Chromium, and notes what it complains of.
//
//   node browser/admin.mjs CHROMIUM URL USER PASSWORD
//
// Prints what it saw as JSON; the judging is pytest's.
import { chromium } from "playwright-core";

const [executablePath, url, user, password] = process.argv.slice(2);
const seen = { pages: [], faults: [] };

const browser = await chromium.launch({
  executablePath,
  chromiumSandbox: process.getuid?.() !== 0,
  args: ["--disable-gpu", "--no-first-run", "--disable-background-networking"],
});
const page = await browser.newPage();
page.on("console", (message) => {
  const isIcon = message.location().url.endsWith("/favicon.ico"); // which nobody has drawn yet
  if (["error", "warning"].includes(message.type()) && !isIcon) {
    seen.faults.push({ page: page.url(), text: message.text() });
  }
});
page.on("pageerror", (error) => seen.faults.push({ page: page.url(), text: String(error) }));

const links = (selector) =>
  page.locator(selector).evaluateAll((found) => found.map((each) => each.href));

async function visit(address) {
  const answer = await page.goto(address);
  seen.pages.push({ path: new URL(page.url()).pathname, status: answer.status() });
}

try {
  await visit(url);
  await page.getByLabel("Username").fill(user);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByRole("button", { name: "Log out" }).waitFor();
  for (const list of await links("#content-main th a")) {
    await visit(list);
    const add = await links(".object-tools a.addlink");
    const [row] = await links("#result_list tbody th a");
    const [filter] = await links("#changelist-filter a");
    for (const address of [...add, filter, row].filter(Boolean)) {
      await visit(address);
    }
    if (row) {
      const [history] = await links(".object-tools a.historylink");
      await visit(history ?? list);
    }
  }
} finally {
  console.log(JSON.stringify(seen));
  await browser.close();
}
