using System.Globalization;
using System.Text.Json;

namespace Pascl.Training.Data.Formats;

/// <summary>
/// Annotations in JSON as iNaturalist (2018: <c>train2018.json</c>, <c>val2018.json</c>) and COCO have them: <c>images</c> with <c>id</c> and <c>file_name</c>,
/// <c>annotations</c> with <c>image_id</c> and <c>category_id</c>, <c>categories</c> with <c>id</c> and <c>name</c>. An image has one class. Labels are the places of the
/// categories in the order of their ids.
/// </summary>
internal static class AnnotationFile
{
    /// <summary>Reads a file as a list; null where it has no annotations, as the files of unlabelled test images.</summary>
    /// <exception cref="InputException">It is no file of that kind, or contradicts itself.</exception>
    public static ImageList? Read(FileTree tree, string file)
    {
        var where = tree.Describe(file);
        try
        {
            using var json = JsonDocument.Parse(tree.Read(file));
            if (!json.RootElement.TryGetProperty("images", out var images) || !json.RootElement.TryGetProperty("annotations", out var annotations))
            {
                return null;
            }

            (long Id, string Name)[] categories =
                [.. json.RootElement.GetProperty("categories").EnumerateArray().Select(category => (category.GetProperty("id").GetInt64(), category.GetProperty("name").GetString()!)).OrderBy(category => category.Item1)];
            var labelOf = categories.Index().ToDictionary(category => category.Item.Id, category => category.Index);
            var labelOfImage = new Dictionary<long, int>();
            foreach (var annotation in annotations.EnumerateArray())
            {
                var (image, category) = (annotation.GetProperty("image_id").GetInt64(), annotation.GetProperty("category_id").GetInt64());
                if (!labelOf.TryGetValue(category, out var label))
                {
                    throw new InputException($"{where} gives image {image} the category {category}, which is none of its {categories.Length:N0} categories.");
                }

                if (!labelOfImage.TryAdd(image, label) && labelOfImage[image] != label)
                {
                    throw new InputException($"{where} gives image {image} several categories; expected images of one class.");
                }
            }

            var lines = new List<ImageList.Line>();
            foreach (var image in images.EnumerateArray())
            {
                var (id, path) = (image.GetProperty("id").GetInt64(), image.GetProperty("file_name").GetString()!);
                var label = labelOfImage.TryGetValue(id, out var known) ? known
                    : throw new InputException($"{where} has no annotation of image {id}, {path}; expected one of every image.");
                lines.Add(new ImageList.Line(lines.Count + 1, path, path, label.ToString(CultureInfo.InvariantCulture), label));
            }

            // Names of species are not unique in every year's file.
            var isUnique = categories.DistinctBy(category => category.Name).Count() == categories.Length;
            return new ImageList(file, lines, "labels from its annotations")
            {
                ClassNames = [.. categories.Select(category => isUnique ? category.Name : $"{category.Name} ({category.Id})")],
            };
        }
        catch (Exception exception) when (exception is JsonException or KeyNotFoundException or InvalidOperationException or FormatException or ArgumentException)
        {
            throw new InputException($"{where} cannot be read as annotations of images ({exception.Message.TrimEnd('.')}); expected images, annotations and categories as iNaturalist 2018 has them.", exception);
        }
    }
}
