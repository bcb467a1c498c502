import type { BrowserContext, Page, Request } from 'playwright-core'
import { describe, expect, it } from 'vitest'

import {
  ADMIN,
  admin,
  appUrl,
  expectText,
  networkIdle,
  newAdmin,
  newMember,
  request,
  settled,
  signIn,
  toast,
  unique,
  useBrowser,
} from './harness'

const { newContext, open } = useBrowser()
const STORE = 'snack.session'

const stored = (page: Page) => page.evaluate((key) => localStorage.getItem(key), STORE)

/** Changes the stored tokens. */
async function tamper(page: Page, change: Record<string, unknown>): Promise<void> {
  // Otherwise a request of the page could be the first one with the changed tokens.
  await networkIdle(page)
  await page.evaluate(
    ([key, changed]) => {
      const tokens = JSON.parse(localStorage.getItem(key as string)!)
      localStorage.setItem(key as string, JSON.stringify({ ...tokens, ...(changed as object) }))
    },
    [STORE, change] as const,
  )
}

/** Makes an admin a member, on the page of the users. */
async function giveUpRole(page: Page, person: { name: string }): Promise<void> {
  await page.getByRole('button', { name: `${person.name} 관리`, exact: true }).click()
  await page.getByRole('menuitem', { name: '관리자 해제' }).click()
  const question = page.getByRole('alertdialog')
  await question.getByText('본인의 권한입니다.').waitFor()
  await question.getByRole('button', { name: '관리자 해제' }).click()
}

function countRefreshes(context: BrowserContext): { count: number } {
  const refreshes = { count: 0 }
  context.on('request', (request: Request) => {
    if (request.url().endsWith('/auth/token/refresh')) refreshes.count += 1
  })
  return refreshes
}

describe('signing up and in', () => {
  it('leads a new user to the snacks', async () => {
    const page = await (await newContext()).newPage()
    await page.goto(appUrl('/'))
    await page.getByRole('link', { name: '회원 가입' }).click()
    await page.getByRole('heading', { name: '회원 가입', level: 1 }).waitFor()

    // All errors are shown at their fields, and the first field is focused.
    await page.getByLabel('이메일').fill('no email')
    await page.getByLabel('비밀번호').fill('short')
    await page.getByRole('button', { name: '가입하기' }).click()
    await page.getByText('필수 항목입니다.').waitFor()
    await page.getByText('올바른 이메일이 아닙니다.').waitFor()
    await page.getByText('8자 이상이어야 합니다.').waitFor()
    await expect.poll(() => page.getByLabel('이름').evaluate((field) => field === document.activeElement)).toBe(true)

    const email = `${unique()}@example.com`
    await page.getByLabel('이름').fill('새 회원')
    await page.getByLabel('이메일').fill(email)
    await page.getByLabel('비밀번호').fill('korea-snack-9')
    await page.getByRole('button', { name: '가입하기' }).click()

    await page.getByRole('heading', { name: '간식', level: 1, exact: true }).waitFor()
    await toast(page, '새 회원님, 환영합니다').waitFor()
  })

  it('leads a new user to the requested page', async () => {
    const page = await (await newContext()).newPage()
    await page.goto(appUrl('/statistics?year=2026'))
    await page.getByRole('link', { name: '회원 가입' }).click()
    await page.getByLabel('이름').fill('새 회원')
    await page.getByLabel('이메일').fill(`${unique()}@example.com`)
    await page.getByLabel('비밀번호').fill('korea-snack-9')
    await page.getByRole('button', { name: '가입하기' }).click()
    await page.waitForURL(appUrl('/statistics?year=2026'))
  })

  it('asks a new user to sign in if that did not work at once', async () => {
    const page = await (await newContext()).newPage()
    await page.goto(appUrl('/sign-up'))
    await page.route('**/auth/token', (route) => route.abort())
    const email = `${unique()}@example.com`
    await page.getByLabel('이름').fill('새 회원')
    await page.getByLabel('이메일').fill(email)
    await page.getByLabel('비밀번호').fill('korea-snack-9')
    await page.getByRole('button', { name: '가입하기' }).click()
    await page.getByRole('heading', { name: '로그인', level: 1 }).waitFor()
    expect(await page.getByLabel('이메일').inputValue()).toBe(email)
    // The password field is focused.
    await expect
      .poll(() => page.getByLabel('비밀번호').evaluate((field) => field === document.activeElement))
      .toBe(true)
    await page.unroute('**/auth/token')
    await page.keyboard.type('korea-snack-9')
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: '간식', level: 1, exact: true }).waitFor()
  })

  it('shows that an email is taken or belongs to a resigned user', async () => {
    const [taken, resigned] = [await newMember(), await newMember()]
    await request('DELETE', '/auth/users/resign', resigned.token)
    const page = await (await newContext()).newPage()
    await page.goto(appUrl('/sign-up'))
    await page.getByLabel('이름').fill('누구')
    await page.getByLabel('비밀번호').fill('korea-snack-9')
    for (const [email, message] of [
      [taken.email, '이미 가입된 이메일입니다.'],
      [resigned.email, '탈퇴한 회원은 다시 가입할 수 없습니다.'],
    ] as const) {
      await page.getByLabel('이메일').fill(email)
      await page.getByRole('button', { name: '가입하기' }).click()
      await page.locator('.field', { hasText: '이메일' }).getByText(message).waitFor()
    }
  })

  it("shows the server's message for a wrong password", async () => {
    const { email } = await newMember()
    const page = await (await newContext()).newPage()
    await page.goto(appUrl('/sign-in'))
    await page.getByLabel('이메일').fill(email)
    await page.getByLabel('비밀번호').fill('not the password')
    await page.getByRole('button', { name: '로그인' }).click()
    await expectText(page.getByRole('alert'), '이메일 또는 비밀번호가 올바르지 않습니다.')
    expect(await stored(page)).toBeNull()
  })

  it('returns to the requested page', async () => {
    const page = await (await newContext()).newPage()
    await page.goto(appUrl('/statistics?year=2026'))
    await page.waitForURL(/sign-in\?returnTo=/)
    const member = await newMember()
    await page.getByLabel('이메일').fill(member.email)
    await page.getByLabel('비밀번호').fill(member.password)
    await page.getByRole('button', { name: '로그인' }).click()
    await page.waitForURL(appUrl('/statistics?year=2026'))
  })

  it('never leads to another site', async () => {
    const member = await newMember()
    const page = await (await newContext()).newPage()
    for (const target of ['//evil.example/', 'https://evil.example/', 'javascript:alert(1)']) {
      await page.goto(appUrl(`/sign-in?returnTo=${encodeURIComponent(target)}`))
      await page.getByLabel('이메일').fill(member.email)
      await page.getByLabel('비밀번호').fill(member.password)
      await page.getByRole('button', { name: '로그인' }).click()
      await page.waitForURL(appUrl('/orders'))
      await page.getByRole('button', { name: '로그아웃' }).click()
      await page.waitForURL(appUrl('/sign-in'))
    }
  })

  it('survives a reload', async () => {
    const page = await open(await newMember())
    await page.reload()
    await page.getByRole('heading', { name: '주문', level: 1, exact: true }).waitFor()
    await page.goto(appUrl('/sign-in'))
    await page.waitForURL(appUrl('/orders'))
  })
})

describe('tokens', () => {
  it('are renewed if the server rejects them', async () => {
    const context = await newContext()
    const page = await context.newPage()
    await signIn(page, await newMember())
    const refreshes = countRefreshes(context)
    await tamper(page, { access: 'broken' })
    await page.reload()
    await settled(page)
    expect(refreshes.count).toBe(1)
    expect(JSON.parse((await stored(page))!).access).not.toBe('broken')
    await page.getByRole('link', { name: '간식', exact: true }).click()
    await page.locator('li.snack').first().waitFor()
    expect(refreshes.count).toBe(1)
  })

  it('are renewed before they expire', async () => {
    const context = await newContext()
    const page = await context.newPage()
    await signIn(page, await newMember())
    const refreshes = countRefreshes(context)
    const unauthorized: string[] = []
    page.on('response', (response) => response.status() === 401 && unauthorized.push(response.url()))
    await tamper(page, { renewAt: 0 })
    await page.getByRole('link', { name: '간식', exact: true }).click()
    await page.locator('li.snack').first().waitFor()
    expect(refreshes.count).toBe(1)
    expect(unauthorized).toEqual([])
  })

  it('are renewed once for two tabs', async () => {
    const context = await newContext()
    const first = await context.newPage()
    await signIn(first, await newMember())
    const second = await context.newPage()
    await second.goto(appUrl('/snacks'))
    await settled(second)

    const refreshes = countRefreshes(context)
    // The request is held until both tabs need a token.
    let release = () => {}
    const both = new Promise<void>((resolve) => (release = resolve))
    await context.route('**/auth/token/refresh', async (route) => {
      await both
      await route.continue()
    })
    await tamper(first, { renewAt: 0 })
    await first.getByRole('link', { name: '통계' }).click()
    await second.getByRole('link', { name: '주문', exact: true }).click()
    await expect.poll(() => refreshes.count).toBe(1)
    await expect
      .poll(() => second.evaluate(async () => (await navigator.locks.query()).pending?.length))
      .toBeGreaterThan(0)
    release()
    await Promise.all([first.locator('canvas').first().waitFor(), second.locator('li.order').first().waitFor()])
    expect(refreshes.count).toBe(1)
    expect(await stored(first)).toBe(await stored(second))
  })

  it('lead to the sign-in page and back if they cannot be renewed', async () => {
    const member = await newMember()
    const page = await open(member, '/snacks')
    await tamper(page, { access: 'broken', refresh: 'broken' })
    await page.getByRole('link', { name: '통계' }).click()
    await page.waitForURL(/sign-in\?returnTo=\/statistics/)
    await toast(page, '로그인이 만료되었습니다').waitFor()
    expect(await stored(page)).toBeNull()
    await page.getByLabel('이메일').fill(member.email)
    await page.getByLabel('비밀번호').fill(member.password)
    await page.getByRole('button', { name: '로그인' }).click()
    await page.waitForURL(appUrl('/statistics'))
  })

  it('survive a network error during the renewal', async () => {
    const page = await open(await newMember(), '/snacks')
    await page.route('**/auth/token/refresh', (route) => route.abort())
    await tamper(page, { renewAt: 0 })
    await page.getByRole('link', { name: '주문', exact: true }).click()
    const failed = page.getByRole('alert').filter({ hasText: '서버에 연결할 수 없습니다' })
    await failed.waitFor()
    expect(await stored(page)).not.toBeNull()

    await page.unroute('**/auth/token/refresh')
    await failed.getByRole('button', { name: '다시 시도' }).click()
    await page.locator('li.order').first().waitFor()
  })
})

describe('leaving', () => {
  it('clears the storage and ends the session on the server', async () => {
    const page = await open(await newMember())
    const { refresh } = JSON.parse((await stored(page))!)
    const responded = page.waitForResponse('**/auth/logout')
    await page.getByRole('button', { name: '로그아웃' }).click()
    await page.waitForURL(appUrl('/sign-in'))
    expect((await responded).status()).toBe(204)
    expect(await page.evaluate(() => ['snack.session', 'snack.user'].map((key) => localStorage.getItem(key)))).toEqual([
      null,
      null,
    ])
    await expect(request('POST', '/auth/token/refresh', undefined, { refresh })).rejects.toThrow('401')
  })

  it('in one tab signs out the other', async () => {
    const context = await newContext()
    const member = await newMember()
    const first = await context.newPage()
    await signIn(first, member)
    const second = await context.newPage()
    await second.goto(appUrl('/snacks'))
    await settled(second)
    await first.getByRole('button', { name: '로그아웃' }).click()
    await second.getByRole('heading', { name: '로그인', level: 1 }).waitFor()

    // A sign-in is followed, too.
    await signIn(first, member)
    await second.waitForURL(appUrl('/snacks'))
  })

  it('for good needs a confirmation', async () => {
    const member = await newMember()
    const page = await open(member)
    const signOut = await page.getByRole('button', { name: '로그아웃' }).boundingBox()
    const resign = page.getByRole('button', { name: '탈퇴' })
    expect((await resign.boundingBox())!.x).toBeGreaterThan(signOut!.x)

    await resign.click()
    const question = page.getByRole('alertdialog')
    await question.getByRole('button', { name: '돌아가기' }).click()
    await question.waitFor({ state: 'detached' })
    expect(await stored(page)).not.toBeNull()
    // The focus returns to the button.
    expect(await resign.evaluate((button) => button === document.activeElement)).toBe(true)

    await resign.click()
    await question.getByRole('button', { name: '탈퇴하기' }).click()
    await page.waitForURL(appUrl('/sign-in'))
    expect(await stored(page)).toBeNull()
    await toast(page, '탈퇴했습니다').waitFor()
    await expect(
      request('POST', '/auth/token', undefined, { email: member.email, password: member.password }),
    ).rejects.toThrow('401')
    // The removed dialog does not lock the page.
    await page.getByLabel('이메일').fill(member.email)
  })

  it('is not possible for the last admin, with advice', async () => {
    const token = await admin()
    const { results } = await request<{ results: { id: number; email: string }[] }>(
      'GET',
      '/auth/users?member_type=admin&is_deleted=false&limit=100',
      token,
    )
    const others = results.filter((user) => user.email !== ADMIN.email)
    const change = (id: number, member_type: string) => request('PATCH', `/auth/users/${id}`, token, { member_type })
    for (const { id } of others) await change(id, 'member')
    try {
      const page = await open(ADMIN)
      await page.getByRole('button', { name: '탈퇴' }).click()
      await page.getByRole('button', { name: '탈퇴하기' }).click()
      const why = '마지막 관리자입니다. 먼저 다른 회원을 관리자로 지정해 주세요.'
      await expectText(page.getByRole('alertdialog').getByRole('alert'), why)
      expect(await stored(page)).not.toBeNull()

      await page.getByRole('button', { name: '돌아가기' }).click()
      await page.goto(appUrl(`/users?search=${ADMIN.email}`))
      await giveUpRole(page, ADMIN)
      await expectText(page.getByRole('alertdialog').getByRole('alert'), why)
      await request('GET', '/checks/is_admin', token)
    } finally {
      for (const { id } of others) await change(id, 'admin')
    }
  })
})

describe('pages of admins', () => {
  it('are not open to members', async () => {
    const page = await open(await newMember())
    expect(await page.getByRole('link', { name: '회원', exact: true }).count()).toBe(0)
    await page.goto(appUrl('/users'))
    await page.waitForURL(appUrl('/orders'))
    await toast(page, '관리자만').waitFor()
  })

  it('redirect an admin who becomes a member', async () => {
    const person = await newAdmin()
    const page = await open(person, `/users?search=${person.email}`)
    await giveUpRole(page, person)
    await page.waitForURL(appUrl('/orders'))
    expect(await page.getByRole('link', { name: '회원', exact: true }).count()).toBe(0)
  })

  it('appear for a new admin who returns to the tab', async () => {
    const person = await newMember()
    const page = await open(person)
    await request('PATCH', `/auth/users/${person.id}`, await admin(), { member_type: 'admin' })
    await page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')))
    await page.getByRole('link', { name: '회원', exact: true }).waitFor()
  })
})
