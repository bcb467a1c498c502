import type { Page } from 'playwright-core'
import { describe, expect, it } from 'vitest'

import {
  appUrl,
  card,
  expectText,
  newAdmin,
  newMember,
  newSnack,
  request,
  settled,
  toast,
  unique,
  useBrowser,
  type Person,
  type Snack,
} from './harness'

const { open } = useBrowser()

const at = (snack: Snack) => `/snacks?search=${encodeURIComponent(snack.name)}`

/** Opens the snack list with `snack` alone. */
async function openSnack(person: Person, snack: Snack): Promise<Page> {
  const page = await open(person)
  await page.goto(appUrl(at(snack)))
  await card(page, snack).waitFor()
  return page
}

async function pressed(button: { getAttribute(name: string): Promise<string | null> }, is: boolean): Promise<void> {
  await expect.poll(() => button.getAttribute('aria-pressed')).toBe(String(is))
}

describe('the snack list', () => {
  it('searches, sorts and filters in its address', async () => {
    const mark = unique()
    const cheap = await newSnack({ name: `${mark} 싼 과자`, price: '500' })
    const dear = await newSnack({ name: `${mark} 비싼 과자`, price: '5000' })
    const member = await newMember()
    const page = await open(member, '/snacks')
    await page.getByLabel('검색').pressSequentially(mark)
    await expect.poll(() => page.locator('li.snack').count()).toBe(2)
    await page.getByLabel('정렬').selectOption({ label: '가격 높은 순' })
    await expect.poll(() => page.locator('li.snack h2').allInnerTexts()).toEqual([dear.name, cheap.name])
    await page.getByLabel('정렬').selectOption({ label: '가격 낮은 순' })
    await expect.poll(() => page.locator('li.snack h2').allInnerTexts()).toEqual([cheap.name, dear.name])

    await page.reload()
    await expect.poll(() => page.locator('li.snack h2').allInnerTexts()).toEqual([cheap.name, dear.name])
    expect(await page.getByLabel('검색').inputValue()).toBe(mark)

    await page.getByLabel('검색').fill(`${mark} 없는`)
    await expectText(page.locator('.empty'), `“${mark} 없는”에 맞는 간식이 없습니다.`)
  })

  it('loads more snacks on request, until the end', async () => {
    const page = await open(await newMember(), '/snacks')
    const first = await page.locator('li.snack').count()
    expect(first).toBe(24)
    const more = page.getByRole('button', { name: '더 보기' })
    await more.press('Enter')
    await expect.poll(() => page.locator('li.snack').count()).toBeGreaterThan(first)
    const end = page.getByText(/^총 \d+개$/)
    const goOn = async () => {
      if (await more.isVisible()) await more.press('Enter')
      return end.isVisible()
    }
    await expect.poll(goOn, { timeout: 20_000 }).toBe(true)
    // The last cards are rendered after the end.
    await settled(page)
    const names = await page.locator('li.snack h2').allInnerTexts()
    expect(new Set(names).size).toBe(names.length)
    expect(await end.innerText()).toBe(`총 ${names.length}개`)
    // The focus moves from the removed button to the end.
    await expect.poll(() => end.evaluate((element) => element === document.activeElement)).toBe(true)
  })

  it('shows an error and retries', async () => {
    const page = await open(await newMember())
    await page.route('**/snacks?**', (route) => route.fulfill({ status: 500, body: 'oh no' }))
    await page.getByRole('link', { name: '간식', exact: true }).click()
    const failed = page.getByRole('alert')
    await expectText(failed, '알 수 없는 문제가 발생했습니다.')
    await page.unroute('**/snacks?**')
    await failed.getByRole('button', { name: '다시 시도' }).click()
    await page.locator('li.snack').first().waitFor()
  }, 30_000)

  it('lets only admins make a snack unavailable', async () => {
    const snack = await newSnack()
    const boss = await openSnack(await newAdmin(), snack)
    const available = card(boss, snack).getByRole('switch', { name: `${snack.name} 주문 가능` })
    await available.click()
    const message = toast(boss, '주문 불가로 변경했습니다')
    await message.waitFor()
    // The list shows only what can be ordered.
    await card(boss, snack).waitFor({ state: 'detached' })
    await message.getByRole('button', { name: '되돌리기' }).click()
    await card(boss, snack).waitFor()
    await boss.getByRole('switch', { name: '지금 주문 가능', exact: true }).click()
    await expect.poll(() => boss.url()).toContain('status=all')
    await settled(boss)
    await available.click()
    await expect.poll(() => available.isChecked()).toBe(false)
    expect(
      await card(boss, snack)
        .getByRole('button', { name: `${snack.name} 담기` })
        .count(),
    ).toBe(0)

    const member = await open(await newMember())
    await member.goto(appUrl(at(snack)))
    await member.locator('.empty').waitFor()
    await member.locator('.empty').getByRole('button', { name: '주문할 수 없는 간식도 보기' }).click()
    await card(member, snack).waitFor()
    await member.getByLabel('상태').selectOption({ label: '주문 불가' })
    await expectText(card(member, snack), /지금은 주문할 수 없는 간식입니다\./)
    expect(await card(member, snack).getByRole('switch').count()).toBe(0)

    await available.click()
    await toast(boss, '주문 가능으로 변경했습니다').waitFor()
    await member.goto(appUrl(at(snack)))
    await card(member, snack)
      .getByRole('button', { name: `${snack.name} 담기` })
      .waitFor()
    expect((await request<Snack>('GET', `/snacks/${snack.uid}`, (await newMember()).token)).status).toBe('available')
  })

  it('links to the page of each snack', async () => {
    const snack = await newSnack()
    const page = await openSnack(await newMember(), snack)
    await card(page, snack).getByRole('link', { name: snack.name, exact: true }).click()
    const heading = page.getByRole('heading', { name: snack.name, level: 1 })
    await heading.waitFor()
    await page.getByText('바삭합니다').waitFor()
    await page.getByRole('button', { name: '좋아요' }).click()
    await pressed(page.getByRole('button', { name: '좋아요' }), true)
  })
})
