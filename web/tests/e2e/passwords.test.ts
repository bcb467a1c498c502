// Forgotten passwords.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { audit, overflows } from './checks'
import {
  PHONE,
  admin,
  appUrl,
  expectText,
  newMember,
  request,
  settled,
  signIn,
  toast,
  unique,
  useBrowser,
} from './harness'
import { hasPrograms, startServers, type Servers } from './servers'

const { newContext, open } = useBrowser()
const newPage = async (options = {}) => (await newContext(options)).newPage()
const linkFor = async (id: number) =>
  (await request<{ url: string }>('POST', `/auth/users/${id}/password-reset`, await admin())).url

describe('a forgotten password', () => {
  it('is told to the server with the typed email, and the page says the same for every email', async () => {
    const member = await newMember()
    const texts: string[] = []
    for (const email of [member.email, `${unique()}@example.com`]) {
      const page = await newPage(PHONE)
      await page.goto(appUrl('/sign-in'))
      await page.locator('input[name=email]').fill(email)
      await page.getByRole('link', { name: '비밀번호를 잊으셨나요?' }).press('Enter')
      await page.waitForURL(appUrl('/forgot-password'))
      expect(await page.locator('input[name=email]').inputValue()).toBe(email)
      expect(await audit(page)).toEqual([])
      const sending = page.waitForRequest('**/auth/password/forgot')
      await page.locator('input[name=email]').press('Enter')
      expect((await sending).postDataJSON()).toEqual({ email })
      const message = page.getByRole('main').getByRole('status')
      await expectText(message, /30분/)
      texts.push(await message.innerText())
      expect(await audit(page)).toEqual([])
      expect(await overflows(page)).toBe(false)
    }
    expect(texts[0]).toBe(texts[1])
  })

  it('needs an email', async () => {
    const page = await newPage()
    await page.goto(appUrl('/forgot-password'))
    await page.getByRole('button', { name: '링크 보내기' }).click()
    await expectText(page.locator('.field-error'), '필수 항목입니다.')
  })
})

describe.runIf(hasPrograms)('too many requests', () => {
  let servers: Servers

  beforeAll(async () => {
    servers = await startServers(1)
  }, 60_000)
  afterAll(() => servers.end())

  it('are told, and the email stays', async () => {
    const server = servers.urls[0]!
    const ask = () =>
      fetch(new URL('/auth/password/forgot', server), {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ email: `${unique()}@example.com` }),
      })
    await expect.poll(async () => (await ask()).status, { interval: 0 }).toBe(429)
    const page = await newPage()
    await page.goto(`${server}/app/forgot-password`)
    await page.locator('input[name=email]').fill('kim@example.com')
    await page.getByRole('button', { name: '링크 보내기' }).click()
    await expectText(page.getByRole('alert'), '요청이 너무 많습니다.')
    expect(await page.locator('input[name=email]').inputValue()).toBe('kim@example.com')
  })
})

describe('the link', () => {
  it('sets a new password once, also after a reload, and its token leaves the address', async () => {
    const member = await newMember()
    const url = await linkFor(member.id)
    const page = await newPage()
    await page.goto(url)
    await page.waitForURL(appUrl('/reset-password'))
    await page.reload()
    await settled(page)
    expect(await audit(page)).toEqual([])
    const field = page.locator('input[name=password]')
    await field.fill('short')
    await field.press('Enter')
    await expect.poll(() => field.getAttribute('aria-invalid')).toBe('true')
    const password = `pass-${unique()}-word`
    await field.fill(password)
    await field.press('Enter')
    await page.waitForURL(appUrl('/sign-in'))
    await toast(page, '비밀번호를 변경했습니다').waitFor()
    await signIn(page, { email: member.email, password })

    const second = await newPage()
    await second.goto(url)
    await second.locator('input[name=password]').fill(`pass-${unique()}-word`)
    await second.getByRole('button', { name: '비밀번호 변경' }).click()
    await expectText(second.getByRole('alert'), /만료되었거나 이미 사용되었습니다/)
    expect(await audit(second)).toEqual([])
    await second.reload()
    await expectText(second.getByRole('alert'), /만료되었거나 이미 사용되었습니다/)
    await second.getByRole('link', { name: '재설정 링크 다시 받기' }).click()
    await second.waitForURL(appUrl('/forgot-password'))
  })

  it('signs out whoever is signed in in this browser', async () => {
    const [member, other] = [await newMember(), await newMember()]
    const page = await open(other)
    await page.goto(await linkFor(member.id))
    await page.locator('input[name=password]').fill(`pass-${unique()}-word`)
    const signedOut = page.waitForResponse('**/auth/logout')
    await page.getByRole('button', { name: '비밀번호 변경' }).click()
    expect((await signedOut).status()).toBe(204)
    await page.waitForURL(appUrl('/sign-in'))
    await toast(page, '비밀번호를 변경했습니다').waitFor()
  })
})
