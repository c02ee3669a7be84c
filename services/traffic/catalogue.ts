// What the generated products look like: areas with their screens, tasks along screens, custom events. Plain data, made up.
// Owns the words of the traffic; never decides who does what when (visit.ts does).

export interface ProductKind {
  productId: string
  /** Area of the product (an event's `context`) → its screens. */
  areas: Readonly<Record<string, readonly string[]>>
  tasks: readonly { type: string; labels: readonly string[]; path: readonly string[] }[]
  /** Custom events: name, and properties as JSON text where # stands for a random number of up to four digits. */
  customs: readonly { name: string; properties: string }[]
}

export const productKinds: readonly ProductKind[] = [
  {
    productId: 'storefront',
    areas: {
      browse: ['/home', '/new-arrivals', '/category/shoes', '/category/jackets', '/category/lamps', '/search', '/search/filters'],
      product: ['/product/detail', '/product/reviews', '/product/sizes', '/product/delivery', '/compare'],
      checkout: ['/cart', '/checkout/address', '/checkout/delivery', '/checkout/payment', '/checkout/review', '/checkout/thanks'],
      account: ['/account', '/account/orders', '/account/order-detail', '/account/returns', '/account/wishlist', '/help/contact'],
    },
    tasks: [
      {
        type: 'checkout',
        labels: ['Buy what is in the cart', 'Buy a present', 'Order again'],
        path: ['/cart', '/checkout/address', '/checkout/payment', '/checkout/review'],
      },
      {
        type: 'find_product',
        labels: ['Find shoes under 80 €', 'Find a winter jacket'],
        path: ['/search', '/search/filters', '/product/detail'],
      },
      {
        type: 'return_order',
        labels: ['Send an order back'],
        path: ['/account/orders', '/account/order-detail', '/account/returns'],
      },
    ],
    customs: [
      { name: 'add_to_cart', properties: '{"sku":"SKU-#","priceCents":#,"currency":"EUR","quantity":1}' },
      { name: 'apply_coupon', properties: '{"code":"SPRING#","accepted":true}' },
      { name: 'filter_changed', properties: '{"facet":"size","values":["#","#"]}' },
    ],
  },
  {
    productId: 'netbank',
    areas: {
      overview: ['/overview', '/accounts', '/accounts/detail', '/accounts/statements', '/messages', '/search'],
      payments: ['/pay', '/pay/recipient', '/pay/amount', '/pay/confirm', '/pay/done', '/standing-orders', '/standing-orders/edit'],
      cards: ['/cards', '/cards/detail', '/cards/limits', '/cards/block', '/cards/pin'],
      settings: ['/settings', '/settings/security', '/settings/devices', '/settings/address', '/help', '/logout'],
    },
    tasks: [
      {
        type: 'transfer',
        labels: ['Pay the rent', 'Send money to a friend', 'Pay a bill'],
        path: ['/pay', '/pay/recipient', '/pay/amount', '/pay/confirm'],
      },
      {
        type: 'block_card',
        labels: ['Block a lost card'],
        path: ['/cards', '/cards/detail', '/cards/block'],
      },
      {
        type: 'change_limit',
        labels: ['Raise the daily limit', 'Lower the limit abroad'],
        path: ['/cards', '/cards/limits'],
      },
    ],
    customs: [
      { name: 'statement_downloaded', properties: '{"format":"pdf","months":3,"bytes":#}' },
      { name: 'limit_preview', properties: '{"card":"…#","limitCents":#,"region":"EU"}' },
      { name: 'code_requested', properties: '{"channel":"app","attempt":1,"latencyMs":#}' },
    ],
  },
  {
    productId: 'tickets',
    areas: {
      search: ['/start', '/results', '/results/map', '/results/filters', '/trip', '/trip/stops', '/calendar'],
      booking: ['/book/passengers', '/book/seats', '/book/extras', '/book/insurance', '/book/payment', '/book/confirmation'],
      mytrips: ['/trips', '/trips/detail', '/trips/change', '/trips/cancel', '/trips/refund', '/trips/checkin', '/trips/boarding-pass'],
      help: ['/help', '/help/luggage', '/help/contact', '/profile', '/profile/payment', '/loyalty'],
    },
    tasks: [
      {
        type: 'book_trip',
        labels: ['Zürich to Lyon on Friday', 'Cheapest seat to Gdańsk', 'Night train for two'],
        path: ['/results', '/book/passengers', '/book/seats', '/book/payment'],
      },
      {
        type: 'check_in',
        labels: ['Check in and get the pass'],
        path: ['/trips', '/trips/checkin', '/trips/boarding-pass'],
      },
      {
        type: 'change_trip',
        labels: ['Take a later train', 'Change the name on a ticket'],
        path: ['/trips', '/trips/detail', '/trips/change'],
      },
    ],
    customs: [
      { name: 'search_submitted', properties: '{"passengers":#,"flexible":true,"results":#}' },
      { name: 'seat_selected', properties: '{"coach":7,"seat":"#","window":true,"priceCents":#}' },
      { name: 'price_alert_set', properties: '{"route":"R-#","belowCents":#}' },
    ],
  },
  {
    productId: 'helpdesk',
    areas: {
      inbox: ['/inbox', '/inbox/mine', '/inbox/unassigned', '/inbox/spam', '/ticket', '/ticket/history', '/ticket/merge'],
      customers: ['/customers', '/customers/detail', '/customers/edit', '/companies', '/companies/detail', '/segments'],
      knowledge: ['/articles', '/articles/edit', '/articles/preview', '/articles/publish', '/macros', '/macros/edit'],
      reports: ['/reports', '/reports/volume', '/reports/satisfaction', '/reports/agents', '/admin', '/admin/roles', '/admin/webhooks'],
    },
    tasks: [
      {
        type: 'answer_ticket',
        labels: ['Answer the oldest ticket', 'Answer and close', 'Hand a ticket over'],
        path: ['/inbox', '/ticket', '/ticket/history'],
      },
      {
        type: 'publish_article',
        labels: ['Publish “Résumé uploads”', 'Correct an article'],
        path: ['/articles', '/articles/edit', '/articles/publish'],
      },
      {
        type: 'export_report',
        labels: ['Last week by agent'],
        path: ['/reports', '/reports/agents'],
      },
    ],
    customs: [
      { name: 'macro_applied', properties: '{"macro":"M-#","fields":#,"undo":false}' },
      { name: 'reply_sent', properties: '{"channel":"mail","characters":#,"attachments":0}' },
      { name: 'tag_added', properties: '{"tag":"billing","total":#}' },
    ],
  },
]

/** Element selectors of a screen; % stands for the screen's last segment. */
export const elementPatterns: readonly string[] = [
  'button#%-submit',
  'button#%-save',
  'a#%-details',
  'input#%-search',
  'select#%-sort',
  'button.nav-next',
  'button.nav-prev',
  'a.breadcrumb-home',
  'div.card[data-index=0]',
  'div.card[data-index=3]',
  'li.menu-item:nth-child(4)',
  'button#%-add',
  'label.toggle-%',
  'a.help-link',
  'button[aria-label=Close]',
  'td.row-action',
]

export const orgNames: readonly string[] = [
  'harbour-and-sons',
  'kestrel-retail',
  'lumen-mutual',
  'osprey-travel',
  'birchwood-bank',
  'tidewater-lines',
  'quarry-software',
  'meadow-market',
  'ferrous-works',
  'juniper-direct',
  'saltmarsh-rail',
  'copper-credit',
  'violet-desk',
  'northfold-goods',
  'ember-insurance',
  'wren-airways',
]

export const errorProperties: readonly string[] = [
  '{"code":502,"message":"The service did not answer","retry":#}',
  '{"code":409,"message":"Changed by somebody else","line":#}',
  '{"code":"E_VALIDATION","field":"postcode","attempt":#}',
]
