import { describe, expect, it } from 'vitest'

import { appUrl, expectText, newAdmin, newMember, request, settled, signIn, toast, useBrowser } from './harness'

const { newContext, open } = useBrowser()

describe('the users', () => {
  it('can be searched by name and email, and their role can be changed', async () => {
    const [boss, member] = [await newAdmin(), await newMember()]
    const page = await open(boss, '/users')
    await page.getByLabel('검색').fill(member.email.toUpperCase())
    await expect.poll(() => page.locator('tbody tr').count()).toBe(1)
    await expectText(page.locator('tbody tr'), new RegExp(`${member.name}[\\s\\S]*${member.email}`))

    const isAdmin = page.getByRole('switch', { name: `${member.name} 관리자` })
    await isAdmin.press('Space')
    await toast(page, `${member.name}님은 이제 관리자입니다.`).waitFor()
    await expect.poll(() => isAdmin.isChecked()).toBe(true)
    // The role applies to the user's next request.
    await request('GET', '/checks/is_admin', member.token)
    await isAdmin.press('Space')
    await toast(page, `${member.name}님은 이제 회원입니다.`).waitFor()
    await expect(request('GET', '/checks/is_admin', member.token)).rejects.toThrow('403')

    await page.getByRole('link', { name: `${member.name}의 주문 보기` }).click()
    await page.waitForURL(appUrl(`/orders?user=${member.id}`))
  })

  it('can be filtered by role and status', async () => {
    const [boss, gone] = [await newAdmin(), await newMember()]
    await request('DELETE', '/auth/users/resign', gone.token)
    const page = await open(boss, `/users?search=${gone.email}`)
    await expectText(page.locator('.empty'), '조건에 맞는 회원이 없습니다.')
    await page.getByRole('combobox', { name: '상태' }).selectOption({ label: '탈퇴' })
    await expectText(page.locator('tbody tr'), /탈퇴/)
    expect(await page.getByRole('switch').count()).toBe(0)

    await page.goto(appUrl('/users?role=admin'))
    await settled(page)
    for (const box of await page.getByRole('switch').all()) expect(await box.isChecked()).toBe(true)
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
