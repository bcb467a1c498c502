// The messages that signed-in users load before their first page.
import { addMessages } from '../../src/i18n'
import en from '../../src/i18n/pages.en.json'
import ko from '../../src/i18n/pages.ko.json'

addMessages({ ko, en })
