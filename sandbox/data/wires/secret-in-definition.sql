-- database: shop
-- as: master
ALTER TABLE public.products ADD CONSTRAINT not_the_key CHECK (sku <> 'AKIAABCDEFGHIJKLMNOP')
