// Uses GraphiQL as a person does, in a headless Chromium that reaches no host but the service's.
//
//   STAFF_PASSWORD=... node browser/graphiql.mjs SCENE CHROMIUM URL TOKEN FOLDER
//
// Prints what it saw as JSON, and puts screenshots into FOLDER; the judging is pytest's.
import { chromium } from "playwright-core";

const [scene, executablePath, url, token, folder] = process.argv.slice(2);
const host = new URL(url).host;
const seen = {
  foreign: [],
  sockets: [],
  faults: [],
  bar: {},
  answers: {},
  completion: {},
  colors: {},
};

const browser = await chromium.launch({
  executablePath,
  chromiumSandbox: process.getuid?.() !== 0,
  args: [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    `--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE ${new URL(url).hostname}`,
  ],
});

let step = "";

async function open(colorScheme, viewport, enter = async () => {}) {
  const context = await browser.newContext({ colorScheme, viewport });
  await context.route("**", (route) => {
    const address = route.request().url();
    if (new URL(address).host === host) {
      return route.continue();
    }
    seen.foreign.push(address);
    return route.abort();
  });
  const page = await context.newPage();
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) {
      seen.faults.push({ step, text: message.text() });
    }
  });
  page.on("pageerror", (error) => seen.faults.push({ step, text: String(error) }));
  page.on("websocket", (socket) => seen.sockets.push(socket.url()));
  await page.goto(url);
  await enter(page);
  await page // until the editor has coloured its words, not only the braces
    .locator(".graphiql-query-editor [class^=mtk]:not(.mtk1, [class*=bracket])")
    .first()
    .waitFor();
  return page;
}

const bar = (page) => page.getByRole("status").textContent();
const shoot = (page, name) => page.screenshot({ path: `${folder}/${name}.png` });

async function signIn(page, value) {
  await page.getByLabel("API token").fill(value);
  await page.getByRole("button", { name: "Sign in" }).click();
}

const response = (page) =>
  page.evaluate(() =>
    globalThis.__MONACO.editor
      .getModels()
      .find((each) => each.uri.path.endsWith("response.json"))
      .getValue(),
  );

const FIELDS = { Start: "countWords", List: "runs", Cancel: "cancelRuns", Upload: "createUpload" };

/** Plays the tab; the texts that the response had until one of them was as wanted. */
async function play(page, tab, isWanted = (text) => text.includes(`"${FIELDS[tab]}"`)) {
  step = tab;
  await page.getByRole("tab", { name: tab }).click();
  await page.getByRole("button", { name: /Execute query/ }).click();
  const texts = [];
  const deadline = Date.now() + 20_000;
  while (!isWanted(texts.at(-1) ?? "")) {
    if (Date.now() > deadline) {
      throw new Error(`${tab} was not answered as wanted: ${texts.join("\n")}`);
    }
    const text = await response(page);
    if (text !== texts.at(-1)) {
      texts.push(text);
    }
    await page.waitForTimeout(20);
  }
  return texts;
}

/** What the editor suggests at the start of a new line in the tab's outermost braces. */
async function complete(page, tab) {
  await page.getByRole("tab", { name: tab }).click();
  await page.locator(".graphiql-query-editor .view-line", { hasText: /^(query|mutation)/ }).click();
  await page.keyboard.press("End");
  await page.keyboard.press("Enter");
  const rows = page.locator(".graphiql-query-editor .suggest-widget .monaco-list-row");
  await page.keyboard.press("Control+Space");
  await rows.first().waitFor();
  return rows.locator(".label-name").allInnerTexts();
}

const background = (page) =>
  page.evaluate(() => getComputedStyle(document.querySelector(".page")).backgroundColor);

const DESKTOP = { width: 1280, height: 800 };
const NARROW = { width: 480, height: 800 };

const SCENES = {
  /** Signs in, plays the tabs, completes, forgets the token. */
  async tour() {
    step = "signed out";
    const page = await open("dark", DESKTOP);
    seen.tabs = await page.getByRole("tab").allInnerTexts();
    seen.bar.signedOut = await bar(page);
    await shoot(page, "signed-out");

    step = "wrong token";
    await signIn(page, "dbt_wrong");
    await page.getByText("unknown").waitFor();
    seen.bar.wrong = await bar(page);
    await shoot(page, "wrong-token");

    step = "sign in";
    await signIn(page, token);
    await page.getByText("Signed in as").waitFor();
    seen.bar.signedIn = await bar(page);
    for (const tab of ["Start", "List", "Cancel", "Upload"]) {
      seen.answers[tab] = JSON.parse((await play(page, tab)).at(-1));
      await shoot(page, tab.toLowerCase());
    }

    step = "completion";
    seen.completion.Start = await complete(page, "Start");
    await shoot(page, "completion");
    await page.keyboard.press("Escape");
    seen.completion.List = await complete(page, "List");

    step = "reload";
    await page.reload();
    await page.getByText("Signed in as").waitFor();
    await page.getByRole("button", { name: "Forget token" }).click();
    await page.getByText("Not signed in").waitFor();
    seen.kept = await page.evaluate(() => JSON.stringify([sessionStorage, localStorage]));
  },

  /** Looks at it by day and by night, on a wide screen and a narrow one. */
  async looks() {
    for (const scheme of ["light", "dark"]) {
      for (const [name, size] of Object.entries({ desktop: DESKTOP, narrow: NARROW })) {
        const look = `${name}-${scheme}`;
        step = look;
        const page = await open(scheme, size);
        seen.colors[look] = await background(page);
        await shoot(page, `signed-out-${look}`);
        await signIn(page, token);
        await page.getByText("Signed in as").waitFor();
        await play(page, "List");
        await shoot(page, `list-${look}`);
        await page.getByRole("button", { name: "Show Documentation Explorer" }).click();
        await page.getByText("Root Types").waitFor();
        await shoot(page, `docs-${look}`);
        await page.context().close();
      }
    }
    step = "theme switch";
    const page = await open("light", DESKTOP);
    await page.getByRole("button", { name: "Open settings dialog" }).click();
    await page.getByRole("button", { name: "Dark" }).click();
    seen.colors.switched = await background(page);
    await shoot(page, "settings");
  },

  /** Watches a run that starts a moment later until it is final. */
  async watch() {
    const page = await open("dark", DESKTOP);
    await signIn(page, token);
    await page.getByText("Signed in as").waitFor();
    const runAt = new Date(Date.now() + 3_000).toISOString();
    const query = `mutation { countWords(input: { text: "a b" }, options: { runAt: "${runAt}" }) {
      run { id } } }`;
    await fetch(url, {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}` },
      body: JSON.stringify({ query }),
    });
    const texts = await play(page, "Watch", (text) => text.includes("SUCCEEDED"));
    seen.watched = texts.filter((text) => text.trim()).map((text) => JSON.parse(text));
    await page.getByRole("button", { name: /Execute query/ }).waitFor(); // it ended by itself
    await shoot(page, "watch");
  },

  /** Uses a service that shows its schema to staff alone, and whose page leads them in. */
  async closed() {
    const page = await open("dark", DESKTOP, async (lines) => {
      seen.lines = await lines.locator("main").textContent();
      await lines.getByRole("link", { name: "sign in" }).click();
      await lines.getByLabel("Username").fill("root");
      await lines.getByLabel("Password").fill(process.env.STAFF_PASSWORD);
      await lines.getByRole("button", { name: "Log in" }).click();
    });
    await page.getByText("Signed in as").waitFor();
    await page.getByRole("button", { name: "Show Documentation Explorer" }).click();
    await page.getByText("Root Types").waitFor();
    await shoot(page, "staff");
    await signIn(page, token); // of somebody who is no staff
    await page.getByText("ada").waitFor();
    await page.reload();
    await page.getByRole("status").getByText("No docs and no completion").waitFor();
    seen.bar.closed = await bar(page);
    seen.answers.Start = JSON.parse((await play(page, "Start")).at(-1));
    await shoot(page, "closed");
  },
};

try {
  await SCENES[scene]();
} finally {
  console.log(JSON.stringify(seen));
  await browser.close();
}
