import type { Page } from 'playwright-core'
import { describe, expect, it } from 'vitest'

import { audit, overflows } from './checks'
import { PHONE, appUrl, expectText, newMember, request, settled, toast, useBrowser, type Person } from './harness'

const { newContext, open } = useBrowser()

const devices = (page: Page) => page.getByRole('region', { name: '로그인된 기기' }).locator('li')
const WINDOWS =
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36'

/** Signs in with a program, as from another device. Returns the refresh token. */
async function signInElsewhere(person: Person, userAgent: string): Promise<string> {
  const headers = { 'User-Agent': userAgent }
  return (await request<{ refresh: string }>('POST', '/auth/token', undefined, person, headers)).refresh
}

const refresh = (token: string) => request('POST', '/auth/token/refresh', undefined, { refresh: token })

/** A member's page, on which only its own session is left. */
async function openProfile(member: Person, options = {}): Promise<Page> {
  const sessions = '/auth/sessions'
  const { results } = await request<{ results: { id: string }[] }>('GET', sessions, member.token)
  const page = await open(member, '/orders', options)
  for (const { id } of results) await request('DELETE', `${sessions}/${id}`, member.token)
  await page.goto(appUrl('/profile'))
  await settled(page)
  return page
}

describe('the devices where a user is signed in', () => {
  it('are listed in plain words, and the present one is marked', async () => {
    const member = await newMember()
    const page = await openProfile(member, { userAgent: WINDOWS })
    await expect.poll(() => devices(page).count()).toBe(1)
    await expectText(
      devices(page),
      /Chrome · Windows\s*지금 사용 중\s*127\.0\.0\.1\s*마지막 사용 20\d\d\. [\s\S]*로그인 20\d\d\. /,
    )
    // The present one is ended by the button of the menu.
    expect(await devices(page).getByRole('button').count()).toBe(0)
    await page.getByText('로그아웃한 기기도 최대 15분 동안은 더 쓸 수 있습니다.').waitFor()

    await signInElsewhere(member, 'Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0')
    await page.reload()
    await expect.poll(() => devices(page).filter({ hasText: 'Firefox · Linux' }).count()).toBe(1)
    expect(await audit(page)).toEqual([])
  })

  it.each([
    [
      'ko',
      'Firefox · Linux 로그아웃',
      '이 기기에서 로그아웃할까요?',
      '로그아웃',
      'Firefox · Linux에서 로그아웃했습니다.',
    ],
    ['en', 'Sign out Firefox · Linux', 'Sign out this device?', 'Sign out', 'Firefox · Linux has been signed out.'],
  ])('can be signed out after a question, by keyboard: %s', async (language, name, title, confirm, done) => {
    const member = await newMember()
    const page = await openProfile(member, PHONE)
    const other = await signInElsewhere(
      member,
      'Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0',
    )
    await page.evaluate((chosen) => localStorage.setItem('snack.language', chosen), language)
    await page.reload()
    await page.getByRole('button', { name, exact: true }).focus()
    await page.keyboard.press('Enter')
    const question = page.getByRole('alertdialog')
    await question.getByRole('heading', { name: title }).waitFor()
    expect(await audit(page)).toEqual([])
    // The focus is on the button that changes nothing.
    await page.keyboard.press('Enter')
    await question.waitFor({ state: 'detached' })
    await expect.poll(() => page.evaluate(() => document.activeElement?.getAttribute('aria-label'))).toBe(name)
    await page.keyboard.press('Enter')
    await question.getByRole('button', { name: confirm, exact: true }).click()
    await toast(page, done).waitFor()
    await expect.poll(() => page.getByRole('button', { name, exact: true }).count()).toBe(0)
    // The button is gone, and the keyboard goes on in the list.
    await expect.poll(() => page.evaluate(() => document.activeElement?.className)).toBe('paged')
    await expect(refresh(other)).rejects.toThrow('401')
    expect(await overflows(page)).toBe(false)

    // This device stays signed in.
    await page.reload()
    await settled(page)
    expect(page.url()).toBe(appUrl('/profile'))
  })

  it('are only the present one after a new password', async () => {
    const member = await newMember()
    const page = await openProfile(member)
    await signInElsewhere(member, WINDOWS)
    await page.reload()
    await expect.poll(() => devices(page).count()).toBe(2)
    await page.getByLabel('현재 비밀번호').fill(member.password)
    await page.getByLabel('새 비밀번호').fill('brand-new-snack-7')
    await page.getByRole('button', { name: '비밀번호 변경' }).click()
    await toast(page, '비밀번호를 변경했습니다').waitFor()
    await expect.poll(() => devices(page).count()).toBe(1)
    await expectText(devices(page), /지금 사용 중/)
  })

  it('lead to the sign-in page when they were signed out elsewhere and their access token is over', async () => {
    const member = await newMember()
    const page = await openProfile(member)
    const other = await (await newContext()).newPage()
    await other.goto(appUrl('/sign-in?returnTo=/profile'))
    await other.locator('input[name=email]').fill(member.email)
    await other.locator('input[name=password]').fill(member.password)
    await other.locator('form button[type=submit]').click()
    await other.waitForURL(appUrl('/profile'))
    await expect.poll(() => devices(other).count()).toBe(2)
    await devices(other).getByRole('button').click()
    await other.getByRole('alertdialog').getByRole('button', { name: '로그아웃' }).click()
    await toast(other, '로그아웃했습니다.').waitFor()

    await page.evaluate(() => {
      const tokens = JSON.parse(localStorage.getItem('snack.session')!)
      localStorage.setItem('snack.session', JSON.stringify({ ...tokens, renewAt: 0 }))
    })
    await page.reload()
    await page.getByRole('heading', { name: '로그인', level: 1 }).waitFor()
    await toast(page, '로그인이 만료되었습니다.').waitFor()
  })
})
