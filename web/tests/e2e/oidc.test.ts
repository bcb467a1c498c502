// Sign-in at a real identity provider, tests/support/oidc.
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { audit, overflows } from './checks'
import { PHONE, appUrl, expectText, networkIdle, settled, unique, useBrowser } from './harness'
import { answerAs, newAccount, startProvider, type Provider } from './provider'
import { ADMIN, hasPrograms, startServers, type Servers } from './servers'

const { newContext } = useBrowser()
const BUTTON = 'Keycloak 계정으로 로그인'

let provider: Provider
let servers: Servers
let url: string

beforeAll(async () => {
  if (!hasPrograms) return
  servers = await startServers(1, async ([base]) => {
    provider = await startProvider(`${base}/auth/oidc/callback`)
    return provider.settings
  })
  url = servers.urls[0]!
})
afterAll(async () => {
  await servers?.end()
  provider?.process.kill()
})

/** Collects the addresses of a kind of requests. */
function collect(page: Page, part: string): string[] {
  const found: string[] = []
  page.on('request', (request) => {
    if (request.url().includes(part)) found.push(request.url())
  })
  return found
}

/** A page that has been led to the sign-in page from `path`. */
async function openSignIn(path: string, options = {}): Promise<Page> {
  const page = await (await newContext(options)).newPage()
  await page.goto(appUrl(path, url))
  await page.waitForURL(appUrl(`/sign-in?returnTo=${path}`, url))
  return page
}

const press = (page: Page) => page.getByRole('button', { name: BUTTON }).click()
const isSignedIn = (page: Page) => page.evaluate(() => localStorage.getItem('snack.session') !== null)

async function signInWithPassword(page: Page): Promise<void> {
  await page.locator('input[name=email]').fill(ADMIN.email)
  await page.locator('input[name=password]').fill(ADMIN.password)
  await page.locator('form button[type=submit]').click()
}

describe.runIf(hasPrograms)('the sign-in at the identity provider', () => {
  it('signs up a new member, by keyboard, and leads to the requested page', async () => {
    const account = await newAccount(provider)
    const page = await openSignIn('/snacks')
    await answerAs(page.context(), account.email)
    const redeemed = collect(page, '/auth/oidc/token')
    const button = page.getByRole('button', { name: BUTTON })
    await button.waitFor()
    expect(await audit(page)).toEqual([])
    await page.getByRole('link', { name: '회원 가입' }).focus()
    await page.keyboard.press('Tab')
    expect(await button.evaluate((element) => element === document.activeElement)).toBe(true)
    await page.keyboard.press('Enter')
    await page.waitForURL(appUrl('/snacks', url))
    await page.getByRole('banner').getByText(account.name).waitFor()
    expect(redeemed).toHaveLength(1)

    // A reload redeems nothing.
    await page.reload()
    await settled(page)
    await page.getByRole('banner').getByText(account.name).waitFor()
    expect(page.url()).toBe(appUrl('/snacks', url))
    expect(redeemed).toHaveLength(1)
    expect(await page.evaluate(() => sessionStorage.getItem('snack.oidc'))).toBeNull()
  })

  it('signs in a member, on a phone and in English', async () => {
    const account = await newAccount(provider)
    const member = { ...account, password: `pass-${unique()}-word`, name: `회원 ${unique()}` }
    const body = JSON.stringify(member)
    const headers = { 'Content-Type': 'application/json' }
    expect((await fetch(`${url}/auth/sign-up`, { method: 'POST', headers, body })).status).toBe(201)
    const page = await (await newContext(PHONE)).newPage()
    await page.goto(appUrl('/sign-in', url))
    await page.getByRole('button', { name: 'English' }).click()
    await answerAs(page.context(), account.email)
    const button = page.getByRole('button', { name: 'Sign in with Keycloak' })
    expect((await button.boundingBox())!.height).toBeGreaterThanOrEqual(44)
    expect(await overflows(page)).toBe(false)
    await button.click()
    await page.waitForURL(appUrl('/orders', url))
    await page.goto(appUrl('/profile', url))
    await expect.poll(() => page.getByLabel('Name').inputValue()).toBe(member.name)
  })

  it('is offered on the sign-up page, too', async () => {
    const account = await newAccount(provider)
    const page = await (await newContext()).newPage()
    await page.goto(appUrl('/sign-up', url))
    await answerAs(page.context(), account.email)
    await press(page)
    await page.getByRole('banner').getByText(account.name).waitFor()
  })

  it('says that it was canceled, and the password leads to the requested page', async () => {
    const page = await openSignIn('/snacks')
    await answerAs(page.context(), 'cancel')
    await press(page)
    await expectText(page.getByRole('alert'), '로그인을 취소했습니다.')
    await page.waitForURL(appUrl('/sign-in?returnTo=/snacks', url))
    expect(await isSignedIn(page)).toBe(false)
    await signInWithPassword(page)
    await page.waitForURL(appUrl('/snacks', url))
  })

  it('says that the email is not verified', async () => {
    const account = await newAccount(provider, { isVerified: false })
    const page = await openSignIn('/snacks')
    await answerAs(page.context(), account.email)
    await press(page)
    await expectText(page.getByRole('alert'), '이메일이 인증되지 않은 계정입니다.')
    expect(await isSignedIn(page)).toBe(false)
  })

  it('ignores a code that this tab has not asked for, because somebody else may have written the link', async () => {
    const account = await newAccount(provider)
    const page = await openSignIn('/snacks')
    await answerAs(page.context(), account.email)
    const landings = collect(page, '/app/?code=')
    await page.route('**/auth/oidc/token', (route) => route.abort())
    await press(page)
    await expectText(page.getByRole('alert'), '서버에 연결할 수 없습니다.')
    expect(landings).toHaveLength(1)

    const victim = await (await newContext()).newPage()
    const redeemed = collect(victim, '/auth/oidc/token')
    await victim.goto(landings[0]!)
    await expectText(victim.getByRole('alert'), '로그인하지 못했습니다. 다시 시도해 주세요.')
    await networkIdle(victim)
    expect(redeemed).toEqual([])
    expect(await isSignedIn(victim)).toBe(false)
    expect(victim.url()).toBe(appUrl('/sign-in', url))

    // The code was good.
    const code = new URL(landings[0]!).searchParams.get('code')
    const body = JSON.stringify({ code })
    const headers = { 'Content-Type': 'application/json' }
    expect((await fetch(`${url}/auth/oidc/token`, { method: 'POST', headers, body })).status).toBe(200)
  })

  it('shows an error for a used code, and a reload does not send it again', async () => {
    const account = await newAccount(provider)
    const page = await openSignIn('/snacks')
    await answerAs(page.context(), account.email)
    const redeemed = collect(page, '/auth/oidc/token')
    // The server has taken the code, but the response is lost.
    await page.route('**/auth/oidc/token', async (route) => {
      await route.fetch()
      await route.continue()
    })
    await press(page)
    await expectText(page.getByRole('alert'), '로그인하지 못했습니다. 다시 시도해 주세요.')
    expect(redeemed).toHaveLength(1)
    await page.reload()
    await page.getByRole('button', { name: BUTTON }).waitFor()
    await networkIdle(page)
    expect(redeemed).toHaveLength(1)
    expect(await page.getByRole('alert').count()).toBe(0)
    expect(await isSignedIn(page)).toBe(false)

    // The next attempt succeeds.
    await page.unroute('**/auth/oidc/token')
    await press(page)
    await page.waitForURL(appUrl('/snacks', url))
  })

  it('has a button that neither delays the page nor moves it', async () => {
    const page = await (await newContext()).newPage()
    await page.addInitScript(() => {
      const shifts: number[] = []
      Object.assign(window, { shifts })
      new PerformanceObserver((list) => {
        for (const entry of list.getEntries() as unknown as { value: number }[]) shifts.push(entry.value)
      }).observe({ type: 'layout-shift', buffered: true })
    })
    let answer = () => {}
    const isAnswered = new Promise<void>((resolve) => (answer = resolve))
    await page.route('**/auth/sign-up', async (route) => {
      await isAnswered
      await route.fallback()
    })
    await page.goto(appUrl('/sign-in', url))
    await page.getByLabel('이메일').fill(ADMIN.email)
    const field = page.getByLabel('이메일')
    const before = await field.boundingBox()
    expect(await page.getByRole('button', { name: BUTTON }).count()).toBe(0)
    answer()
    await page.getByRole('button', { name: BUTTON }).waitFor()
    expect(await field.boundingBox()).toEqual(before)
    expect(await page.evaluate(() => (window as unknown as { shifts: number[] }).shifts)).toEqual([])
  })

  it('is not offered if the server cannot tell its name', async () => {
    const page = await (await newContext()).newPage()
    await page.route('**/auth/sign-up', (route) => route.abort())
    await page.goto(appUrl('/sign-in', url))
    await settled(page)
    await networkIdle(page)
    expect(await page.getByRole('button', { name: BUTTON }).count()).toBe(0)
    await signInWithPassword(page)
    await page.waitForURL(appUrl('/orders', url))
  })

  // The last one, because the provider stays away.
  it('says that the provider cannot be reached, and the password still works', async () => {
    provider.process.kill()
    // The server knows the provider's addresses until it is started again.
    await servers.stopServer(0)
    await servers.startServer(0)
    const page = await openSignIn('/snacks')
    await press(page)
    await expectText(page.getByRole('alert'), '로그인 서비스에 연결할 수 없습니다.')
    await page.waitForURL(appUrl('/sign-in?returnTo=/snacks', url))
    await signInWithPassword(page)
    await page.waitForURL(appUrl('/snacks', url))
  })
})

const ERRORS = [
  ['email_resigned', '탈퇴한 회원은 다시 가입할 수 없습니다.', 'Members who have left cannot sign up again.'],
  ['sign_up_closed', '초대받은 사람만 가입할 수 있습니다.', 'You need an invitation to sign up.'],
  ['domain_not_allowed', '이 이메일로는 가입할 수 없습니다.', 'This email cannot be used to sign up.'],
  ['email_not_verified', '이메일이 인증되지 않은 계정입니다.', 'The email of this account is not verified.'],
  ['oidc_failed', '로그인하지 못했습니다.', 'The sign-in failed.'],
  ['oidc_unavailable', '로그인 서비스에 연결할 수 없습니다.', 'The sign-in service cannot be reached.'],
  ['oidc_denied', '로그인을 취소했습니다.', 'You have canceled the sign-in.'],
  ['<b>no such code</b>', '로그인하지 못했습니다.', 'The sign-in failed.'],
] as const

describe('the sign-in page', () => {
  it.each(ERRORS)('has a message for the error %s', async (code, korean, english) => {
    const page = await (await newContext()).newPage()
    await page.goto(appUrl(`/sign-in?error=${encodeURIComponent(code)}&returnTo=/snacks`))
    await expectText(page.getByRole('alert'), korean)
    expect(page.url()).toBe(appUrl('/sign-in?returnTo=/snacks'))
    await page.getByRole('button', { name: 'English' }).click()
    await expectText(page.getByRole('alert'), english)
    expect(await audit(page)).toEqual([])
    await page.reload()
    await page.getByRole('heading', { name: 'Sign in' }).waitFor()
    expect(await page.getByRole('alert').count()).toBe(0)
  })

  it('offers no identity provider where there is none', async () => {
    const page = await (await newContext()).newPage()
    await page.goto(appUrl('/sign-in'))
    await networkIdle(page)
    expect(await page.locator('.auth button').allInnerTexts()).toEqual(['로그인'])
  })
})
