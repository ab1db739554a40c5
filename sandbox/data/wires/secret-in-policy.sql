-- database: shop
-- as: master
CREATE POLICY by_token ON public.products USING (current_setting('app.token', true) = 'sk_live_4eC39HqLyjWDarjtT1')
