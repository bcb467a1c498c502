import type { Page } from 'playwright-core'
import { describe, expect, it } from 'vitest'

import { audit } from './checks'
import {
  PHONE,
  appUrl,
  expectText,
  newAdmin,
  newMember,
  newOrder,
  request,
  settled,
  signIn,
  toast,
  useBrowser,
  type Person,
} from './harness'

const { newContext, open } = useBrowser()

const row = (page: Page, person: Person) => page.locator('tbody tr').filter({ hasText: person.email })
const menu = (page: Page, person: Person) => page.getByRole('button', { name: `${person.name} 관리`, exact: true })
const question = (page: Page) => page.getByRole('alertdialog')
const closed = (page: Page) => page.locator('[role=alertdialog], [role=dialog]').waitFor({ state: 'detached' })

/** Chooses an action in the menu of a user. */
async function choose(page: Page, person: Person, action: string): Promise<void> {
  await menu(page, person).click()
  await page.getByRole('menuitem', { name: action, exact: true }).click()
}

/** Waits until the button of a user's menu has the focus. */
async function expectFocusOnMenu(page: Page, person: Person): Promise<void> {
  await expect.poll(() => menu(page, person).evaluate((button) => button === document.activeElement)).toBe(true)
}

describe('the users', () => {
  it('can be searched by name and email', async () => {
    const [boss, member] = [await newAdmin(), await newMember()]
    const page = await open(boss, '/users')
    await page.getByLabel('검색').fill(member.email.toUpperCase())
    await expect.poll(() => page.locator('tbody tr').count()).toBe(1)
    await expectText(page.locator('tbody tr'), new RegExp(`${member.name}[\\s\\S]*${member.email}`))
    await page.getByRole('link', { name: `${member.name}의 주문 보기` }).click()
    await page.waitForURL(appUrl(`/orders?user=${member.id}`))
  })

  it('get another role after a question, by keyboard', async () => {
    const [boss, member] = [await newAdmin(), await newMember()]
    const page = await open(boss, `/users?search=${member.email}`)
    await menu(page, member).focus()
    await page.keyboard.press('Enter')
    await page.getByRole('menuitem', { name: '관리자로 지정' }).waitFor()
    await page.keyboard.press('Enter')
    await expectText(question(page), new RegExp(`${member.name}님을 관리자로 지정할까요\\?[\\s\\S]*${member.email}`))
    expect(await audit(page)).toEqual([])
    // The focus is on the button that changes nothing.
    await page.keyboard.press('Enter')
    await closed(page)
    await expectFocusOnMenu(page, member)
    await expect(request('GET', '/checks/is_admin', member.token)).rejects.toThrow('403')

    await page.keyboard.press('Enter')
    await page.getByRole('menuitem', { name: '관리자로 지정' }).waitFor()
    await page.keyboard.press('Enter')
    await question(page).waitFor()
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    await toast(page, `${member.name}님은 이제 관리자입니다.`).waitFor()
    await expectText(row(page, member), /관리자/)
    await expectFocusOnMenu(page, member)
    // The role applies to the user's next request.
    await request('GET', '/checks/is_admin', member.token)

    await choose(page, member, '관리자 해제')
    await question(page).getByRole('button', { name: '관리자 해제' }).click()
    await toast(page, `${member.name}님은 이제 회원입니다.`).waitFor()
    await expect(request('GET', '/checks/is_admin', member.token)).rejects.toThrow('403')
  })

  it('can be removed and restored, and the question says what stays', async () => {
    const [boss, member] = [await newAdmin(), await newMember()]
    const order = await newOrder(member)
    const page = await open(boss, `/users?search=${member.email}`)
    await choose(page, member, '내보내기')
    for (const effect of ['바로 로그아웃', '그대로 남습니다', '다시 가입할 수 없습니다', '복구할 수 있습니다']) {
      await question(page).getByText(effect).waitFor()
    }
    expect(await audit(page)).toEqual([])
    await question(page).getByRole('button', { name: '내보내기' }).click()
    await toast(page, `${member.name}님을 내보냈습니다.`).waitFor()
    await page.getByText('조건에 맞는 회원이 없습니다.').waitFor()
    // The row is gone, and the keyboard goes on in the list.
    await expect.poll(() => page.evaluate(() => document.activeElement?.className)).toBe('paged')
    await expect(request('GET', '/auth/users/profile', member.token)).rejects.toThrow('401')
    expect(await request('GET', `/orders/${order.uid}`, boss.token)).toMatchObject({ user: { name: member.name } })

    await page.getByRole('combobox', { name: '상태' }).selectOption({ label: '전체' })
    await expectText(row(page, member), /탈퇴/)
    await choose(page, member, '복구')
    await question(page).getByText('회원으로 돌아옵니다.').waitFor()
    await question(page).getByRole('button', { name: '복구' }).click()
    await toast(page, `${member.name}님을 복구했습니다.`).waitFor()
    await expect.poll(() => row(page, member).innerText()).not.toMatch(/탈퇴/)
    await expectFocusOnMenu(page, member)
    await signIn(await (await newContext()).newPage(), member)
  })

  it('cannot be changed after another admin has removed them, and the dialog says so', async () => {
    const [boss, member] = [await newAdmin(), await newMember()]
    const page = await open(boss, `/users?status=all&search=${member.email}`)
    await choose(page, member, '관리자로 지정')
    await question(page).waitFor()
    await request('DELETE', '/auth/users/resign', member.token)
    await question(page).getByRole('button', { name: '관리자로 지정' }).click()
    await expectText(question(page).getByRole('alert'), '탈퇴한 회원입니다.')
    await question(page).getByRole('button', { name: '돌아가기' }).click()
    // The row has the present state.
    await expectText(row(page, member), /탈퇴/)
  })

  it('get a link for a new password, which is shown once', async () => {
    const [boss, member] = [await newAdmin(), await newMember()]
    const page = await open(boss, `/users?search=${member.email}`, PHONE)
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write'])
    await choose(page, member, '비밀번호 재설정 링크')
    const dialog = page.getByRole('dialog')
    await dialog.getByRole('button', { name: '링크 만들기' }).click()
    const link = dialog.getByLabel('링크')
    await expect.poll(() => link.evaluate((field) => field === document.activeElement)).toBe(true)
    await dialog.getByText(/까지 쓸 수 있습니다/).waitFor()
    expect(await audit(page)).toEqual([])
    await dialog.getByRole('button', { name: '복사' }).click()
    await toast(page, '링크를 복사했습니다.').waitFor()
    const url = await page.evaluate(() => navigator.clipboard.readText())
    expect(url).toBe(await link.inputValue())
    const { pathname, searchParams } = new URL(url)
    expect(pathname).toBe('/app/reset-password')
    await dialog.locator('.dialog-foot').getByRole('button', { name: '닫기' }).click()
    await closed(page)
    await expectFocusOnMenu(page, member)
    await choose(page, member, '비밀번호 재설정 링크')
    await dialog.getByRole('button', { name: '링크 만들기' }).waitFor()
    expect(await link.count()).toBe(0)

    const body = { token: searchParams.get('token'), new_password: 'brand-new-snack-8' }
    await request('POST', '/auth/password/reset', undefined, body)
    await signIn(await (await newContext()).newPage(), { ...member, password: body.new_password })
  })

  it('have menus large enough for a thumb', async () => {
    const [boss, member] = [await newAdmin(), await newMember()]
    const page = await open(boss, `/users?search=${member.email}`, PHONE)
    await menu(page, member).click()
    const targets = [menu(page, member), ...(await page.getByRole('menuitem').all())]
    expect(targets).toHaveLength(4)
    for (const target of targets) expect((await target.boundingBox())!.height).toBeGreaterThanOrEqual(44)
  })

  it('can be filtered by role and status', async () => {
    const [boss, gone] = [await newAdmin(), await newMember()]
    await request('DELETE', '/auth/users/resign', gone.token)
    const page = await open(boss, `/users?search=${gone.email}`)
    await expectText(page.locator('.empty'), '조건에 맞는 회원이 없습니다.')
    await page.getByRole('combobox', { name: '상태' }).selectOption({ label: '탈퇴' })
    await expectText(page.locator('tbody tr'), /탈퇴/)
    await menu(page, gone).click()
    await expect.poll(() => page.getByRole('menuitem').allInnerTexts()).toEqual(['복구'])

    await page.goto(appUrl('/users?role=admin'))
    await settled(page)
    expect(await page.locator('tbody tr').count()).toBeGreaterThan(0)
    expect(await page.locator('tbody tr').count()).toBe(await page.locator('tbody .badge.admin').count())
  })

  it('are loaded page by page', async () => {
    const page = await open(await newAdmin(), '/users')
    expect(await page.locator('tbody tr').count()).toBe(20)
    await page.getByRole('button', { name: '더 보기' }).click()
    await expect.poll(() => page.locator('tbody tr').count()).toBeGreaterThan(20)
  })
})

describe('the profile', () => {
  it('has a name that can be changed, and the menu shows it at once', async () => {
    const page = await open(await newMember(), '/profile')
    await page.getByLabel('이름').fill('   ')
    await page.getByRole('button', { name: '저장' }).click()
    await page.getByText('비워 둘 수 없습니다.').waitFor()
    await page.getByLabel('이름').fill('김과자')
    await page.getByRole('button', { name: '저장' }).click()
    await toast(page, '이름을 변경했습니다').waitFor()
    await page.getByRole('banner').getByText('김과자').waitFor()
    await page.reload()
    await expect.poll(() => page.getByLabel('이름').inputValue()).toBe('김과자')
  })

  it('has a password that can be changed, which ends all other sessions', async () => {
    const member = await newMember()
    const page = await open(member, '/profile')
    const otherSession = await request<{ refresh: string }>('POST', '/auth/token', undefined, member)
    const change = page.getByRole('button', { name: '비밀번호 변경' })
    await page.getByLabel('현재 비밀번호').fill('not this one')
    await page.getByLabel('새 비밀번호').fill('brand-new-snack-7')
    await change.click()
    await page.getByText('현재 비밀번호가 다릅니다.').waitFor()
    await page.getByLabel('현재 비밀번호').fill(member.password)
    await change.click()
    await toast(page, '비밀번호를 변경했습니다').waitFor()
    await expect(request('POST', '/auth/token/refresh', undefined, { refresh: otherSession.refresh })).rejects.toThrow(
      '401',
    )

    // The session survives the access token.
    await page.evaluate(() => {
      const tokens = JSON.parse(localStorage.getItem('snack.session')!)
      localStorage.setItem('snack.session', JSON.stringify({ ...tokens, renewAt: 0 }))
    })
    await page.getByRole('link', { name: '주문', exact: true }).click()
    await page.locator('li.order').first().waitFor()

    const fresh = await (await newContext()).newPage()
    await signIn(fresh, { ...member, password: 'brand-new-snack-7' })
  })
})
