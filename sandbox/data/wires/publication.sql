-- database: shop
-- as: master
CREATE PUBLICATION warehouse FOR TABLE public.products WHERE (price > 0)
