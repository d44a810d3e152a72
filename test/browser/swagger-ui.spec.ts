import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Browser, chromium, type Locator, type Page } from 'playwright-core';
import { newEmail, newOrganizationId, newPassword } from '../support/api';
import { findChromium } from '../support/chromium';
import { startServer } from '../support/process';
import { rememberSecrets } from '../support/run-log';

const PROJECT = join(__dirname, '..', '..');
const SCREENSHOT = join(PROJECT, '.local', 'screenshots', 'swagger-ui.png');
/** A name like any other: a browser is more lenient with localhost. */
const HOST = 'crm.test';

const executablePath = findChromium();
if (executablePath === undefined) {
  process.stderr.write('skipped: the test in a browser needs Chromium (apt install chromium)\n');
}

interface Answer {
  status: number;
  body: { data: unknown };
}

/** One operation of the page, by the id that it has in the document. */
class Operation {
  private readonly block: Locator;

  constructor(page: Page, id: string) {
    this.block = page.locator(`[id^="operations-"][id$="-${id}"]`);
  }

  async open(): Promise<void> {
    await this.block.locator('.opblock-summary-control').click();
    await this.block.getByRole('button', { name: 'Try it out' }).click();
  }

  /** Presses Execute, and reads the answer off the page. */
  async execute(body?: object): Promise<Answer> {
    if (body) await this.block.locator('textarea.body-param__text').fill(JSON.stringify(body));
    // The answer before stays until the next one is there.
    const clear = this.block.locator('button.btn-clear');
    if (await clear.isVisible()) await clear.click();
    await this.block.locator('button.execute').click();
    const answer = this.block.locator('.live-responses-table');
    const status = Number.parseInt(await answer.locator('.response-col_status').last().innerText());
    const text = await answer.locator('.response-col_description pre').first().innerText();
    const shown = JSON.parse(text) as Answer['body'];
    rememberSecrets(shown);
    return { status, body: shown };
  }

  async close(): Promise<void> {
    await this.block.locator('.opblock-summary-control').click();
  }

  async screenshot(path: string): Promise<void> {
    await this.block.screenshot({ path });
  }
}

async function authorize(page: Page, token: string): Promise<void> {
  await page.locator('.auth-wrapper .btn.authorize').click();
  const dialog = page.locator('.dialog-ux');
  await dialog.locator('input').fill(token);
  await dialog.locator('button.authorize').click();
  await dialog.locator('button.btn-done').click();
}

/** Without the token in the command for curl, which would look like somebody's. */
async function takeScreenshot(page: Page, operation: Operation): Promise<void> {
  const content =
    '.curl-command, .parameters-container, .responses-table:not(.live-responses-table), ' +
    '.responses-inner h4, .opblock-description-wrapper { display: none }';
  await page.addStyleTag({ content });
  mkdirSync(join(SCREENSHOT, '..'), { recursive: true });
  await operation.screenshot(SCREENSHOT);
  if (process.env.UPDATE_SCREENSHOT) {
    copyFileSync(SCREENSHOT, join(PROJECT, 'docs', 'swagger-ui.png'));
  }
}

(executablePath === undefined ? describe.skip : describe)('Swagger UI in a browser', () => {
  let server: Awaited<ReturnType<typeof startServer>>;
  let browser: Browser;

  beforeAll(async () => {
    server = await startServer({ DOCS: 'on' });
    browser = await chromium.launch({
      executablePath: executablePath ?? '',
      // Chromium does not run as root in a sandbox of its own.
      chromiumSandbox: process.getuid?.() !== 0,
      args: [`--host-resolver-rules=MAP ${HOST} 127.0.0.1, MAP * ~NOTFOUND`],
    });
  });
  afterAll(async () => {
    await browser.close();
    server.child.kill('SIGTERM');
    await server.ended;
  });

  it('leads from nothing to a contact in a list, without a fault in the page', async () => {
    const page = await browser.newPage({ viewport: { width: 1000, height: 1000 } });
    page.setDefaultTimeout(30_000);
    const faults: string[] = [];
    const hosts = new Set<string>();
    page.on('pageerror', (error) => faults.push(error.message));
    page.on('console', (message) => {
      // A header for pages over TLS only, which does no harm here.
      const expected = message.text().startsWith('The Cross-Origin-Opener-Policy header');
      if (message.type() === 'error' && !expected) faults.push(message.text());
    });
    page.on('request', (request) => {
      const { protocol, host } = new URL(request.url());
      if (protocol !== 'data:') hosts.add(host);
    });
    const operation = (id: string) => new Operation(page, id);
    const account = {
      organization_id: newOrganizationId(),
      email: newEmail(),
      password: newPassword(),
    };
    rememberSecrets(account);

    await page.goto(`http://${HOST}:${String(server.port)}/api/docs`);
    const list = operation('contacts_list');
    await list.open();
    expect(await list.execute()).toMatchObject({ status: 401, body: { code: 'UNAUTHENTICATED' } });
    // Chromium writes every answer above 399 to the console.
    expect(faults.splice(0)).toEqual([expect.stringContaining('401')]);

    const register = operation('auth_register');
    await register.open();
    const registered = await register.execute({ ...account, first_name: 'Ana' });
    expect(registered).toMatchObject({ status: 201, body: { success: true } });
    await register.close();

    const login = operation('auth_login');
    await login.open();
    const signedIn = await login.execute(account);
    expect(signedIn).toMatchObject({ status: 200, body: { success: true } });
    await login.close();
    await authorize(page, (signedIn.body.data as { access_token: string }).access_token);

    const create = operation('contacts_create');
    await create.open();
    const contact = {
      first_name: 'José',
      last_name: 'García',
      emails: [{ value: 'jose@example.com' }],
    };
    const created = await create.execute(contact);
    expect(created).toMatchObject({ status: 201, body: { data: contact } });
    await create.close();

    const listed = await list.execute();
    const { id } = created.body.data as { id: string };
    expect(listed).toMatchObject({ status: 200, body: { data: [{ ...contact, id }] } });

    await takeScreenshot(page, list);
    expect(faults).toEqual([]);
    expect([...hosts]).toEqual([`${HOST}:${String(server.port)}`]);
  }, 120_000);
});
