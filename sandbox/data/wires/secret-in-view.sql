-- database: shop
-- as: master
CREATE VIEW public.partner_login AS SELECT 'https://shop:partner-password-73@partner.example/api'::text AS address, id FROM public.products
