// Who may sign up, and the pages that say so.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { audit, overflows } from './checks'
import { PHONE, admin, appUrl, expectText, newMember, request, settled, unique, useBrowser } from './harness'
import { ADMIN, hasPrograms, startServers, type Servers } from './servers'

const { newContext } = useBrowser()

interface Invitation {
  id: number
  email: string
  url: string
}

/** Fills the form and sends it. */
async function signUp(page: Awaited<ReturnType<typeof newPage>>, email: string): Promise<void> {
  await page.locator('input[name=name]').fill('김새내')
  await page.locator('input[name=email]').fill(email)
  await page.locator('input[name=password]').fill(`pass-${unique()}-word`)
  await page.getByRole('button', { name: '가입하기', exact: true }).click()
}
const newPage = async (options = {}) => (await newContext(options)).newPage()

describe('sign-up', () => {
  it('tells a resigned member that joining again is not possible, at the email', async () => {
    const gone = await newMember()
    await request('DELETE', '/auth/users/resign', gone.token)
    const page = await newPage()
    await page.goto(appUrl('/sign-up'))
    await settled(page)
    await signUp(page, gone.email)
    const email = page.locator('input[name=email]')
    await expect.poll(() => email.getAttribute('aria-invalid')).toBe('true')
    const message = page.locator(`[id="${await email.getAttribute('aria-describedby')}"]`)
    await expectText(message, /탈퇴한 회원은 다시 가입할 수 없습니다/)
  })

  it('shows the form if the server does not tell who may sign up', async () => {
    const page = await newPage()
    await page.route('**/auth/sign-up', (route) =>
      route.request().method() === 'GET' ? route.abort() : route.continue(),
    )
    await page.goto(appUrl('/sign-up'))
    await settled(page)
    await signUp(page, `${unique()}@example.com`)
    await page.waitForURL(appUrl('/snacks'))
  })

  it('takes the token of an invitation out of the address, and a reload keeps it', async () => {
    const email = `${unique()}@example.com`
    const { url } = await request<Invitation>('POST', '/auth/invitations', await admin(), {
      email,
      member_type: 'admin',
    })
    const page = await newPage()
    await page.goto(url)
    await page.waitForURL(appUrl('/sign-up'))
    await page.reload()
    await settled(page)
    await expectText(page.getByRole('main'), /초대를 받으셨습니다/)
    expect(await audit(page)).toEqual([])

    await signUp(page, `other-${email}`)
    await expectText(page.getByRole('alert'), /초대 링크로 가입할 수 없습니다/)
    await signUp(page, email)
    await page.waitForURL(appUrl('/snacks'))
    // The invitation was one of an admin.
    await page.getByRole('link', { name: '주문 관리' }).first().waitFor()
  })

  it('goes on without an invitation that is no longer good, where that is possible', async () => {
    const page = await newPage()
    await page.goto(appUrl(`/sign-up?invitation=${unique()}`))
    const email = `${unique()}@example.com`
    await signUp(page, email)
    await expectText(page.getByRole('alert'), /초대 링크로 가입할 수 없습니다/)
    expect(await audit(page)).toEqual([])
    await page.getByRole('button', { name: '초대 없이 가입하기' }).click()
    await page.waitForURL(appUrl('/snacks'))
  })
})

describe.runIf(hasPrograms)('an office that invites', () => {
  let servers: Servers
  let url: string
  beforeAll(async () => {
    servers = await startServers(1, { SIGN_UP: 'invited' })
    url = servers.urls[0]!
  })
  afterAll(() => servers?.end())

  it('says how to join instead of showing a form, also on a phone', async () => {
    for (const options of [{}, PHONE]) {
      const page = await newPage(options)
      await page.goto(appUrl('/sign-up', url))
      await settled(page)
      await expectText(page.getByRole('main'), /관리자에게 초대를 요청해 주세요/)
      expect(await page.locator('form').count()).toBe(0)
      expect(await audit(page)).toEqual([])
      expect(await overflows(page)).toBe(false)
      await page.getByRole('main').getByRole('link', { name: '로그인' }).click()
      await page.waitForURL(appUrl('/sign-in', url))
    }
  })

  it('lets an invited person in', async () => {
    const { access } = await request<{ access: string }>('POST', `${url}/auth/token`, undefined, ADMIN)
    const email = `${unique()}@example.com`
    const invitation = await request<Invitation>('POST', `${url}/auth/invitations`, access, {
      email,
      member_type: 'member',
    })
    const page = await newPage()
    await page.goto(invitation.url)
    await settled(page)
    await signUp(page, email)
    await page.waitForURL(appUrl('/snacks', url))
  })
})

describe.runIf(hasPrograms)('an office with a domain', () => {
  let servers: Servers
  let url: string
  beforeAll(async () => {
    servers = await startServers(1, { SIGN_UP_EMAIL_DOMAINS: 'datamaker.io' })
    url = servers.urls[0]!
  })
  afterAll(() => servers?.end())

  it('tells the domain before and after the email is typed', async () => {
    const page = await newPage()
    await page.goto(appUrl('/sign-up', url))
    await settled(page)
    await expectText(page.getByRole('main'), /@datamaker\.io 이메일로 가입할 수 있습니다/)
    expect(await audit(page)).toEqual([])
    let sent = 0
    page.on('request', (sending) => (sent += Number(sending.method() === 'POST')))
    await signUp(page, `${unique()}@example.com`)
    await expectText(page.locator('.field-error'), /@datamaker\.io 이메일로만 가입할 수 있습니다/)
    expect(sent).toBe(0)
    await signUp(page, `${unique()}@DataMaker.io`)
    await page.waitForURL(appUrl('/snacks', url))
  })
})
