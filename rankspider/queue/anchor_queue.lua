-- The queue's state changes, each atomic. Redis 6.2 or later.
--
-- KEYS  1 queue     LIST, SET or ZSET, the producer's: what waits
--       2 leases    ZSET member -> deadline, ms
--       3 held      HASH member -> {receipt, owner, taken, lease, tries, silent, first, kind, score, again},
--                   msgpack
--       4 delayed   ZSET member -> when it may come back, ms
--       5 tries     HASH member -> {tries, silent, spared, first, error, kind, score, receipt},
--                   msgpack
--       6 dead      HASH member -> dead letter, JSON
--       7 receipts  STRING, the last receipt given out
--       8 cut_off   HASH {times, until}: how often deliveries ended with nobody knowing how much of
--                   them is stored, and until when (ms) a worker sees to that; gone when it is done
--       9 epoch     STRING, made with the first lease: another one means that the queue was lost
--      10 sizes     STRING 'waiting delayed leased', as the last call left them
--      11 and on    the watch list's: see turns.lua
-- ARGV  1 operation, 2 the time in ms ('' for Redis's own clock), then the operation's own
--
-- `kind` is what the queue was when the member was taken; `score` its score in a ZSET, as text.
-- `again` says that the member was pushed once more while it was in flight.
-- `silent` counts the deliveries whose worker was never heard of again: it may be what killed
-- them, and what was in hand with it may not. Such a suspect is leased in ever smaller company,
-- alone at last, so that it takes no other with it for good.
--
-- A lease of the kind 'watch' is a turn of the watch list's (turns.lua): what comes of it is for that
-- to see to, and leaves nothing once the anchor is watched no more.

local queue, leases, held, delayed = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local tries, dead, receipts, cut_off = KEYS[5], KEYS[6], KEYS[7], KEYS[8]
local epoch, sizes = KEYS[9], KEYS[10]
local WATCH = 'watch'
local watch, operations = {}, {}

local function clock()
  if ARGV[2] ~= '' then return tonumber(ARGV[2]) end
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local now = clock()

-- Finite, or JSON could not say it.
local function is_number(value) return type(value) == 'number' and math.abs(value) < 2 ^ 53 end

local function is_text(value) return not value or type(value) == 'string' end

local function is_record(value)
  if type(value) ~= 'table' then return false end
  return is_number(value.receipt) and is_number(value.tries) and is_number(value.silent)
    and is_number(value.first) and is_text(value.owner) and is_text(value.kind)
    and is_text(value.score) and is_text(value.error)
    and (not value.spared or is_number(value.spared))
end

-- nil as well for what is no record of ours: Redis may evict one, and hands may edit it.
local function load(hash, member)
  local packed = redis.call('HGET', hash, member)
  if not packed then return nil end
  local is_read, record = pcall(cmsgpack.unpack, packed)
  return is_read and is_record(record) and record or nil
end

local function tried(member)
  return load(tries, member) or {receipt = 0, tries = 0, silent = 0, first = now}
end

local function save(hash, member, record)
  redis.call('HSET', hash, member, cmsgpack.pack(record))
end

-- To the front of a list, since its turn had come; a higher score of its own is kept. A turn of the
-- watch list's goes before those that came since it was taken.
local function put_back(member, record)
  if record.kind == WATCH then
    return watch.come_back(member, math.min(0, (record.taken or now) - now))
  end
  local kind = redis.call('TYPE', queue).ok
  if kind == 'none' then kind = record.kind end
  if kind == 'set' then
    redis.call('SADD', queue, member)
  elseif kind == 'zset' then
    local score = tonumber(record.score)
    redis.call('ZADD', queue, 'GT', score == score and score or 0, member)
  else
    redis.call('LPUSH', queue, member)
  end
end

local function let_go(member)
  redis.call('HDEL', held, member)
  redis.call('ZREM', leases, member)
end

local function note_cut_off()
  if type(redis.pcall('HINCRBY', cut_off, 'times', 1)) == 'number' then return end
  redis.call('DEL', cut_off) -- no count
  redis.call('HSET', cut_off, 'times', 1)
end

-- A watched anchor has its next turn all the same, and no letter unless none is of any use -> whether
-- there is one
local function bury(member, record, reason, failure, is_hopeless)
  redis.call('HDEL', tries, member)
  local is_watched = watch.ended(member, is_hopeless)
  if record.kind == WATCH and not (is_hopeless and is_watched) then return false end
  redis.call('HSET', dead, member, cjson.encode({
    reason = reason, error = failure, tries = record.tries,
    first_at = record.first, died_at = now, kind = record.kind, score = record.score,
  }))
  if record.again then put_back(member, record) end
  return true
end

local function remember(member, record, failure)
  if record.kind == WATCH and not watch.has(member) then return end
  save(tries, member, {
    tries = record.tries, silent = record.silent, first = record.first, error = failure,
    kind = record.kind, score = record.score, receipt = record.receipt, spared = record.spared,
  })
end

-- The lease if `receipt` is still its receipt, else nil: a late call changes nothing.
local function lease_of(member, receipt)
  local record = load(held, member)
  return record and record.receipt == tonumber(receipt) and record or nil
end

-- Do `act` with each member of (member, receipt)... whose lease that still is -> 1 or 0 each
local function with_each(pairs_, act)
  local done = {}
  for i = 1, #pairs_, 2 do
    local record = lease_of(pairs_[i], pairs_[i + 1])
    if record then act(pairs_[i], record) end
    table.insert(done, record and 1 or 0)
  end
  return done
end

-- {{member, record}...}, oldest in front.
local function put_back_in_order(returning)
  table.sort(returning, function(a, b) return a[2].receipt > b[2].receipt end)
  for _, pair in ipairs(returning) do put_back(pair[1], pair[2]) end
end

-- Members whose lease ran out or whose delay is over go back to the queue, oldest in front.
local function bring_back(limit, most)
  local returning = {}
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', leases, '-inf', now, 'LIMIT', 0, limit)) do
    local record = load(held, member)
    if not record then
      record = tried(member)
      record.tries = record.tries + 1
    end
    let_go(member)
    note_cut_off()
    record.silent = record.silent + 1
    local failure = 'lease ran out: its worker ' .. (record.owner or '(unknown)') .. ' went silent'
    if record.tries >= most then
      bury(member, record, 'max-deliveries', failure)
    else
      remember(member, record, failure)
      table.insert(returning, {member, record})
    end
  end
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', delayed, '-inf', now, 'LIMIT', 0, limit)) do
    redis.call('ZREM', delayed, member)
    table.insert(returning, {member, tried(member)})
  end
  put_back_in_order(returning)
end

local function pop(kind, count)
  local popped = {}
  if kind == 'zset' then
    local flat = redis.call('ZPOPMAX', queue, count)
    for i = 1, #flat, 2 do table.insert(popped, {flat[i], flat[i + 1]}) end
  elseif kind ~= 'none' then
    local command = kind == 'list' and 'LPOP' or 'SPOP'
    for _, member in ipairs(redis.call(command, queue, count) or {}) do
      table.insert(popped, {member, false})
    end
  end
  return popped
end

local function put_all_back(popped, from, kind)
  for i = #popped, from, -1 do
    put_back(popped[i][1], {kind = kind, score = popped[i][2]})
  end
end

local LENGTH = {list = 'LLEN', set = 'SCARD', zset = 'ZCARD'}

local function length(kind) return LENGTH[kind] and redis.call(LENGTH[kind], queue) or 0 end

-- Redis may evict a key, and hands may take from one. What waits can be told by nobody then: `gone`
-- is how many of it, until a worker is told. The others are made anew of what stands beside them.
local gone = 0

local function sizes_now()
  return {
    length(redis.call('TYPE', queue).ok), redis.call('ZCARD', delayed), redis.call('ZCARD', leases),
  }
end

local function lease_again()
  for _, member in ipairs(redis.call('HKEYS', held)) do
    local record = load(held, member) or {}
    redis.call('ZADD', leases, 'NX', now + (tonumber(record.lease) or 0), member)
  end
end

-- Whatever was tried before and is not in flight. Some may wait: one that does is leased from
-- there before the minute is over.
local function delay_again()
  for _, member in ipairs(redis.call('HKEYS', tries)) do
    if redis.call('HEXISTS', held, member) == 0 and tried(member).kind ~= WATCH then
      redis.call('ZADD', delayed, 'NX', now + 60000, member)
    end
  end
end

local function look_what_is_gone()
  local waited, were_delayed, were_leased =
    string.match(redis.call('GET', sizes) or '', '^(%d+) (%d+) (%d+)$')
  if not waited then return end
  local present = sizes_now()
  gone = math.max(0, tonumber(waited) - present[1])
  if present[2] < tonumber(were_delayed) then delay_again() end
  if present[3] < tonumber(were_leased) then lease_again() end
end

local function note_sizes()
  local present = sizes_now()
  present[1] = present[1] + gone
  local text = string.format('%.0f %.0f %.0f', unpack(present))
  if redis.call('GET', sizes) ~= text then redis.call('SET', sizes, text) end
end

-- Lease one member; return its receipt and which delivery this is, or nil.
local function lease(member, kind, score, owner, lease_ms, most)
  redis.call('ZREM', delayed, member)
  local before = tried(member)
  local record = {
    receipt = redis.call('INCR', receipts), owner = owner, taken = now, tries = before.tries + 1,
    silent = before.silent, first = before.first, kind = kind, score = score,
    spared = before.spared, lease = tonumber(lease_ms),
  }
  if before.tries >= most then
    record.tries = before.tries
    bury(member, record, 'max-deliveries', before.error)
    return nil
  end
  save(held, member, record)
  redis.call('ZADD', leases, now + record.lease, member)
  return record
end

-- How many may be in one hand with `member`; nil: any number. Its last try is made alone.
local function company_of(member, most)
  local before = tried(member)
  if before.silent <= 0 then return nil end
  if before.silent >= 3 or before.tries + 1 >= most then return 1 end
  return before.silent == 1 and 8 or 2
end

-- Those that one call leases, with what may be in one hand.
local batch

local function begin_batch(owner, lease_ms, most, in_hand)
  batch = {
    owner = owner, lease_ms = lease_ms, most = most, in_hand = tonumber(in_hand), taken = {},
    company = math.huge,
  }
end

-- Lease `member` unless it must not join those in hand -> whether it does
local function admit(member, kind, score, purpose)
  local limit = company_of(member, batch.most) or math.huge
  if batch.in_hand + #batch.taken + 1 > math.min(batch.company, limit) then
    if #batch.taken == 0 then batch.company = limit end
    return false
  end
  local record = lease(member, kind, score, batch.owner, batch.lease_ms, batch.most)
  if record then
    table.insert(batch.taken, {member, record.receipt, record.tries, purpose})
    batch.company = math.min(batch.company, limit)
  end
  return true
end

local function take_from_queue(count)
  local kind = redis.call('TYPE', queue).ok
  local before = tonumber(redis.call('GET', receipts) or 0)
  local popped = pop(kind, count)
  for i, pair in ipairs(popped) do
    local member, score = pair[1], pair[2]
    local flying = load(held, member)
    if not flying then
      if not admit(member, kind, score, 'queue') then return put_all_back(popped, i, kind) end
    elseif flying.receipt <= before then
      -- Pushed while in flight: once more afterwards. Twice in this batch: one delivery.
      flying.again = true
      if score then flying.score = score end
      flying.kind = kind
      save(held, member, flying)
    end
  end
end

-- owner, lease ms, most deliveries, how many the worker has in hand, margin ms
--   -> {{{member, receipt, nth, purpose}...}, how soon there is something to take, ms, -1: unknown}
function operations.take_closing(owner, lease_ms, most, in_hand, margin)
  begin_batch(owner, lease_ms, tonumber(most), in_hand)
  local wait = watch.take_closing(tonumber(margin))
  watch.asked()
  return {batch.taken, wait}
end

-- owner, lease ms, count, most deliveries, how many the worker has in hand; how old the list may
-- become, ms, if the worker serves the watch list, else ''
--   -> {how many wait still, {{member, receipt, nth, purpose}...}, the most to have in hand until
--       the hands are empty, 0 for any number, how many fewer waited than the last call had left,
--       how soon the next turn may be taken, ms, -1: never}
function operations.take(owner, lease_ms, count, most, in_hand, list_every)
  count, most = tonumber(count), tonumber(most)
  begin_batch(owner, lease_ms, most, in_hand)
  bring_back(1000, most)
  if list_every ~= '' then watch.take_first(tonumber(list_every)) end
  take_from_queue(count - #batch.taken)
  local soon = list_every ~= '' and watch.take(count) or -1
  watch.asked()
  local company, fewer = batch.company < math.huge and batch.company or 0, gone
  gone = 0
  return {length(redis.call('TYPE', queue).ok), batch.taken, company, fewer, soon}
end

-- lease ms, (member, receipt)... -> 1 or 0 each
function operations.renew(lease_ms, ...)
  local deadline = now + tonumber(lease_ms)
  return with_each({...}, function(member) redis.call('ZADD', leases, deadline, member) end)
end

-- (member, receipt, what was told of it, '' or as turns.lua has it)... -> 1 or 0 each
function operations.ack(...)
  local rest, done = {...}, {}
  for i = 1, #rest, 3 do
    local member = rest[i]
    local record = lease_of(member, rest[i + 1])
    if record then
      let_go(member)
      redis.call('HDEL', tries, member)
      if record.again then put_back(member, record) end
      watch.told(member, rest[i + 2])
    end
    table.insert(done, record and 1 or 0)
  end
  return done
end

-- whether they are cut off, 1 or 0, (member, receipt)... -> 1 or 0 each. Back to the queue at once;
-- the delivery does not count.
function operations.release(are_cut_off, ...)
  local returning = {}
  local released = with_each({...}, function(member, record)
    let_go(member)
    if are_cut_off == '1' then note_cut_off() end
    record.tries = record.tries - 1
    if record.tries <= 0 then
      redis.call('HDEL', tries, member)
    else
      remember(member, record, tried(member).error)
    end
    table.insert(returning, {member, record})
  end)
  put_back_in_order(returning)
  return released
end

-- most deliveries, (member, receipt, delay ms, reason, error, count)...
-- count: counted; held, which is no try; spared, which is none up to `most deliveries` times
--   -> 2 buried, 1 waits for its next try, 0 no longer ours
function operations.fail(most, ...)
  local rest, outcome = {...}, {}
  for i = 1, #rest, 6 do
    local member, delay, reason, failure = rest[i], tonumber(rest[i + 2]), rest[i + 3], rest[i + 4]
    local count = rest[i + 5]
    local record = lease_of(member, rest[i + 1])
    if not record then
      table.insert(outcome, 0)
    else
      let_go(member)
      local spared = record.spared or 0
      local is_free = count == 'held' or (count == 'spared' and spared < tonumber(most))
      if is_free then record.tries = record.tries - 1 end
      if count == 'spared' then record.spared = spared + 1 end
      -- A delay below 0 means that no other try would do.
      if delay < 0 or not is_free and record.tries >= tonumber(most) then
        table.insert(outcome, bury(member, record, reason, failure, delay < 0) and 2 or 1)
      else
        remember(member, record, failure)
        if record.kind == WATCH then
          watch.come_back(member, delay)
        else
          redis.call('ZADD', delayed, now + delay, member)
        end
        table.insert(outcome, 1)
      end
    end
  end
  return outcome
end

-- How many turns of the watch list are in hand.
local function turns_in_hand()
  if not watch.is_there() then return 0 end
  local count = 0
  for _, member in ipairs(redis.call('HKEYS', held)) do
    local record = load(held, member)
    if record and record.kind == WATCH then count = count + 1 end
  end
  return count
end

-- most deliveries -> {waiting, leased, delayed, dead}, after what was due has come back; without the
-- watch list's turns, which never end
function operations.counts(most)
  bring_back(1000, tonumber(most))
  return {
    length(redis.call('TYPE', queue).ok), redis.call('ZCARD', leases) - turns_in_hand(),
    redis.call('ZCARD', delayed), redis.call('HLEN', dead),
  }
end

-- -> {how many waited, how many were delayed}, all of them forgotten; what is leased goes on, once
function operations.clear()
  local cleared = {length(redis.call('TYPE', queue).ok), redis.call('ZCARD', delayed)}
  redis.call('DEL', queue, delayed)
  for _, member in ipairs(redis.call('HKEYS', tries)) do
    if redis.call('HEXISTS', held, member) == 0 then redis.call('HDEL', tries, member) end
  end
  for _, member in ipairs(redis.call('HKEYS', held)) do
    local record = load(held, member)
    if record and record.again then
      record.again = nil
      save(held, member, record)
    end
  end
  return cleared
end

-- lease ms -> how often something was cut off, now this worker's to see to; 0 if never, -1 while
-- another worker sees to it
function operations.claim_cut_off(lease_ms)
  local times, by = unpack(redis.call('HMGET', cut_off, 'times', 'until'))
  if not times then return 0 end
  if by and tonumber(by) > now then return -1 end
  redis.call('HSET', cut_off, 'until', now + tonumber(lease_ms))
  return tonumber(times)
end

-- what claim_cut_off said. More may have been cut off since.
function operations.made_whole(times)
  if redis.call('HGET', cut_off, 'times') == times then
    redis.call('DEL', cut_off)
  else
    redis.call('HDEL', cut_off, 'until')
  end
end

-- member... -> how many were dead letters and wait again, their tries forgotten
function operations.requeue(...)
  local count = 0
  for _, member in ipairs({...}) do
    local letter = redis.call('HGET', dead, member)
    if letter then
      local is_read, record = pcall(cjson.decode, letter)
      redis.call('HDEL', dead, member)
      put_back(member, watch.requeued(member, is_read and type(record) == 'table' and record or {}))
      count = count + 1
    end
  end
  return count
end

-- member... -> how many were dead letters and are none any more
function operations.drop(...) return redis.call('HDEL', dead, ...) end

local function present_epoch()
  local time = redis.call('TIME')
  redis.call('SET', epoch, time[1] .. '.' .. time[2], 'NX')
  return redis.call('GET', epoch)
end

-- The epoch this worker knows, '' at first, the last receipt it knows of, an operation and its
-- arguments -> {the epoch, what the operation says}. Nothing is done to a queue that was lost.
function operations.guarded(known, receipt, name, ...)
  local last = tonumber(redis.call('GET', receipts) or 0)
  if known ~= '' and (redis.call('GET', epoch) ~= known or last < tonumber(receipt)) then
    return redis.error_reply('QUEUELOST')
  end
  return {present_epoch(), operations[name](...)}
end

-- owner, lease ms, (member, receipt, nth, purpose)... -> the epoch. What this worker has in hand is leased
-- as it was, but for what another has meanwhile.
function operations.adopt(owner, lease_ms, ...)
  local rest, last = {...}, tonumber(redis.call('GET', receipts) or 0)
  for i = 1, #rest, 4 do
    local member, receipt, nth = rest[i], tonumber(rest[i + 1]), tonumber(rest[i + 2])
    last = math.max(last, receipt)
    if not load(held, member) then
      save(held, member, {
        receipt = receipt, owner = owner, tries = nth, silent = 0, first = now,
        kind = rest[i + 3] == 'queue' and 'list' or WATCH, lease = tonumber(lease_ms),
      })
      redis.call('ZADD', leases, now + tonumber(lease_ms), member)
    end
  end
  redis.call('SET', receipts, string.format('%.0f', last))
  return present_epoch()
end
